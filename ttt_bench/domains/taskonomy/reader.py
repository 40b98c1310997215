"""Taskonomy (tiny): scans of real buildings with normals, depth, occlusion edges and pseudo-labels.

Zamir et al.: "Taskonomy: Disentangling Task Transfer Learning", CVPR 2018. Conventions: section B.1 of the S4T
release as read by this project; the release's own arrays are ``released``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Domain, Sample, Split
from ttt_bench.domains.pixels.axes import Signs
from ttt_bench.domains.pixels.files import DEEP, IDS, RGB, Array, Framing, digest, read_array, read_image, unit_normals
from ttt_bench.domains.taskonomy.family import CLASSES
from ttt_bench.domains.taskonomy.scenes import (
    MODALITIES,
    Listing,
    View,
    find_base,
    list_views,
    read_split,
    scene_folders,
    view_order,
)
from ttt_bench.errors import UserError

FIRST_ID = 2
MISSING = 65535
UNITS_PER_METRE = 512
EDGE_RANGE = 0.00625 * 65536
"""The dataset's own scale of edge_occlusion: this much is a full edge."""
EDGE_DEFINITION = (
    "occlusion edges of at least half the data set's own range (edge_occlusion >= 204.8), thinned to one pixel; "
    "invalid where depth is missing"
)
NORMAL_SIGNS: Signs = (1, -1, 1)
"""Red is right, green is down, blue is towards the camera (the data set's authors on GitHub, issue 2 of
EPFL-VILAB/XTConsistency and issue 13 of EPFL-VILAB/omnidata); ``data check`` compares it with the depth."""
SIDE = 256
"""What the paper resizes every image to."""
VERSION = 1
log = logging.getLogger(__name__)


class Taskonomy(Domain):
    """Real buildings; views that have all five files, matched by point and view and never by position.

    Images are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel, edges by any edge pixel that falls into the output pixel. A view that lacks a file is left out
    (``data check`` lists such views); a scene that lacks a modality, or that the split names but is not there, is
    an error.

    Args:
        root: the folder with rgb/, normal/, depth_zbuffer/, edge_occlusion/ and segment_semantic/, or one above it.
        size: (H, W).

    Raises:
        UserError: a modality or a scene is missing.
    """

    edge_definition = EDGE_DEFINITION

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        self.name = "taskonomy"
        self.tasks = ("semseg", "depth", "normal", "edge")
        self.classes = CLASSES
        self.size = size
        base = find_base(Path(root))
        if base is None:
            raise UserError(
                f"{root} does not look like Taskonomy.", "It should hold the folders " + ", ".join(MODALITIES) + "."
            )
        self._scenes, self._origin = read_split(Path(root), base)
        folders = {modality: scene_folders(base, modality) for modality in MODALITIES}
        self._listings: dict[str, dict[str, Listing]] = {}
        self._views: dict[Split, list[View]] = {
            split: [view for scene in self._scenes[split] for view in self._scene(scene, folders)] for split in SPLITS
        }
        for split, views in self._views.items():
            if not views:
                raise UserError(f"{base}: no {split} view has all of {', '.join(MODALITIES)}.", "Complete the copy.")

    def _scene(self, scene: str, folders: dict[str, dict[str, Path]]) -> list[View]:
        for modality in MODALITIES:
            if scene not in folders[modality]:
                raise UserError(
                    f"Taskonomy: scene {scene} has no {modality} files.",
                    f"Complete the copy, or take the scene out of the split ({self._origin}): a table "
                    "splits_taskonomy/train_val_test_tiny.csv of your own replaces the official one.",
                )
        listings = {modality: list_views(folders[modality][scene]) for modality in MODALITIES}
        every = frozenset.union(*(listing.stems for listing in listings.values()))
        common = frozenset.intersection(*(listing.stems for listing in listings.values()))
        if len(common) < len(every):
            log.info("Taskonomy: %d views of %s lack a file and are left out.", len(every - common), scene)
        # Only how files are named is kept: the sets of views would be a burden to every worker process.
        self._listings[scene] = {m: replace(listing, stems=frozenset()) for m, listing in listings.items()}
        return [View(scene, stem) for stem in sorted(common, key=view_order)]

    def length(self, split: Split) -> int:
        """How many views ``split`` has."""
        return len(self._views[split])

    def content(self) -> Any:
        """The scenes and views of each split (by name only: asking for a million file sizes would take minutes)."""
        return {
            "taskonomy": VERSION, "edge": EDGE_DEFINITION, "normal_signs": NORMAL_SIGNS, "scenes": self._scenes,
            "views": {split: digest(f"{v.scene}/{v.stem}" for v in views) for split, views in self._views.items()},
        }  # fmt: skip

    def sample(self, split: Split, index: int) -> Sample:
        """Read view ``index`` of ``split``."""
        self.check_index(split, index)
        view = self._views[split][index]
        image = read_image(self._path(view, "rgb"), RGB)
        size = (image.height, image.width)
        depth = self._frame(read_depth(self._path(view, "depth_zbuffer")), view, "depth_zbuffer", size)
        ids = self._frame(read_ids(self._path(view, "segment_semantic")), view, "segment_semantic", size)
        normal = read_array(self._path(view, "normal"), RGB)
        normal = self._frame(unit_normals(normal, NORMAL_SIGNS), view, "normal", size)
        edge = read_array(self._path(view, "edge_occlusion"), DEEP).astype(np.int64)
        missing = depth == 255
        lines = self._framing(edge, view, "edge_occlusion", size).lines(edge >= EDGE_RANGE / 2)
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": np.where(ids < FIRST_ID, 255, ids - FIRST_ID).astype(np.uint8),
            "depth": depth[None],
            "normal": np.where(missing, np.float32(255), normal),
            "edge": np.where(missing, np.float32(255), lines.astype(np.float32))[None],
        }
        return Sample(Framing(size, self.size).image(image), labels)

    def released(self, split: Split, index: int, ids: Sequence[int], side: int = SIDE) -> dict[str, Array]:
        """The same view as the S4T release would have it: everything bilinear at ``side``; for parity only.

        Args:
            split: train, val or test.
            index: which view.
            ids: file ids in the order of the pair's classes.
            side: height and width.
        """
        from ttt_bench.domains import release as released

        view = self._views[split][index]
        deep = {
            modality: read_array(self._path(view, modality), DEEP).astype(np.uint16)
            for modality in ("depth_zbuffer", "edge_occlusion")
        }
        return {
            "rgb": released.taskonomy_image(read_array(self._path(view, "rgb"), RGB), side),
            "normal": released.taskonomy_normal(read_array(self._path(view, "normal"), RGB), side),
            "depth_zbuffer": released.taskonomy_depth(deep["depth_zbuffer"], side),
            "edge_occlusion": released.taskonomy_edge(deep["edge_occlusion"], side),
            "segment_semantic": released.taskonomy_semseg(read_ids(self._path(view, "segment_semantic")), side, ids),
        }

    def _frame(self, values: Array, view: View, modality: str, size: tuple[int, int]) -> Array:
        return self._framing(values, view, modality, size).labels(values)

    def _framing(self, values: Array, view: View, modality: str, size: tuple[int, int]) -> Framing:
        """Modalities may come at different resolutions of one and the same field of view."""
        height, width = values.shape[-2:]
        if height * size[1] != width * size[0]:
            raise UserError(
                f"{self._path(view, modality)} is {height}x{width}; its image is {size[0]}x{size[1]}.",
                "Copy the original files again.",
            )
        return Framing((height, width), self.size)

    def _path(self, view: View, modality: str) -> Path:
        return self._listings[view.scene][modality].path(view.stem)


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """(h, w) metres along the optical axis; 255 where the scan has a hole.

    Raises:
        UserError: the file is unreadable.
    """
    raw = read_array(path, DEEP).astype(np.int64)
    return np.where((raw == MISSING) | (raw == 0), 255.0, raw / UNITS_PER_METRE).astype(np.float32)


def read_ids(path: Path) -> npt.NDArray[np.uint8]:
    """(h, w) file ids 0..17.

    Raises:
        UserError: the file is unreadable or an id is unknown.
    """
    ids = read_array(path, IDS)
    if ids.max() >= FIRST_ID + len(CLASSES):
        raise UserError(
            f"{path}: class id {ids.max()} is unknown.",
            "The ids go from 0 (uncertain) and 1 (background) to 17 (vase).",
        )
    return np.asarray(ids, np.uint8)
