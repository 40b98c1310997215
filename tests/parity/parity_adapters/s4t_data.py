"""How the S4T release reads its data sets, as pure functions on arrays."""

from __future__ import annotations

import numpy as np

from parity_adapters import s4t_arrays as released
from ttt_bench.domains.pixels.thinning import boundaries
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers


@answers("data.dataset_taskonomy.TaskonomyDataset")
def _taskonomy(case: Case) -> Answer:
    side, a = int(case.params["crop_size"]), case.arrays
    return {
        "exp_rgb": released.taskonomy_image(a["in_rgb"], side),
        "exp_normal": released.taskonomy_normal(a["in_normal"], side),
        "exp_depth_zbuffer": released.taskonomy_depth(a["in_depth_zbuffer"], side),
        "exp_edge_occlusion": released.taskonomy_edge(a["in_edge_occlusion"], side),
        "exp_segment_semantic": released.taskonomy_semseg(a["in_segment_semantic"], side, case.params["index_list"]),
    }


def _size(case: Case) -> tuple[int, int]:
    height, width = case.params["pad_to"]
    return int(height), int(width)


@answers("data.nyud.NYUD_MT")
def _nyud(case: Case) -> Answer:
    size, a = _size(case), case.arrays
    return {
        "exp_image": released.imagenet_image(a["in_image"], size),
        "exp_edge": released.edge(a["in_edge"] // 255, size),
        "exp_semseg": released.nyud_semseg(a["in_segmentation"], size, case.params["index_list"]),
        "exp_normals": released.normals(a["in_normals"], size),
        "exp_depth": released.nyud_depth(a["in_depth"], size),
    }


@answers("data.pascal_context.PASCALContext")
def _pascal(case: Case) -> Answer:
    size, a = _size(case), case.arrays
    semseg = released.shared_classes(a["in_semseg"], case.params["index_list"])
    valid = np.isin(a["in_labelmap"], a["in_normals_valid_classes"])
    return {
        "exp_image": released.imagenet_image(a["in_image"], size),
        "exp_edge": released.edge(boundaries(a["in_labelmap"]), size),
        "exp_semseg": released.pad(semseg, size, 255)[None],
        "exp_normals": released.normals(a["in_normals"], size, valid),
    }
