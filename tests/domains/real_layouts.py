"""Miniature trees of real data sets: their readers, a file of each kind, and copies to spoil."""

import shutil
from pathlib import Path

from ttt_bench.domains.nyudv2.package import NYUDv2Package
from ttt_bench.domains.pascal.reader import Pascal
from ttt_bench.domains.taskonomy.reader import Taskonomy

LAYOUTS = ("nyudv2-package", "pascal", "taskonomy")

READERS = {"nyudv2-package": NYUDv2Package, "pascal": Pascal, "taskonomy": Taskonomy}

FILES = {
    "nyudv2-package": {
        "image": "images/*0013.png", "ids": "segmentation/*0013.png", "normal": "normals/*0013.png",
        "edge": "edge/*0013.png", "depth": "depth/*0013.npy",
    },
    "pascal": {
        "image": "JPEGImages/*000013.jpg", "ids": "semseg/VOC12/*000013.png", "normal": "normals_distill/*000013.png",
        "regions": "pascal-context/trainval/*000013.mat",
    },
    "taskonomy": {
        "image": "taskonomy/data/rgb/*/ihlen/*point_0_view_10*", "normal": "taskonomy/data/normal/*/ihlen/*_0_view_10*",
        "ids": "taskonomy/data/segment_semantic/*/ihlen/*_0_view_10*",
        "depth": "taskonomy/data/depth_zbuffer/*/ihlen/*_0_view_10*",
        "edge": "taskonomy/data/edge_occlusion/*/ihlen/*_0_view_10*",
    },
}  # fmt: skip

KINDS = [(layout, kind) for layout, kinds in FILES.items() for kind in kinds]


def copied(made, tmp_path, layout):
    return Path(shutil.copytree(made / layout, tmp_path / "tree"))
