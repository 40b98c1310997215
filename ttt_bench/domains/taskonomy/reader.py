"""Taskonomy (tiny): scans of real buildings with normals, depth, occlusion edges and pseudo-labels.

Zamir et al.: "Taskonomy: Disentangling Task Transfer Learning", CVPR 2018. Conventions: section B.1 of the S4T
release as read by this project.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Sample, Split
from ttt_bench.domains.disk.reader import FileDomain
from ttt_bench.domains.pixels.axes import Evidence, agreement
from ttt_bench.domains.pixels.files import Framing, digest, unit_normals
from ttt_bench.domains.pixels.images import Array, read_pixels
from ttt_bench.domains.pixels.kinds import Find, Kind, ids_up_to, load, pixels
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.domains.pixels.plausible import Limits
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
VERSION = 2
WITHOUT_SCENE = (
    "To go on without a scene, name it in a list for --skip-bad, or leave it out of a table "
    "splits_taskonomy/train_val_test_tiny.csv of your own."
)
DAMAGED_VIEW = (
    "Some files are damaged on the server too: then delete the five files of this view, or name the view in a list "
    "for --skip-bad"
)
log = logging.getLogger(__name__)


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """(h, w) metres along the optical axis; 0 where the scan has a hole.

    Raises:
        FileError: the file is unreadable.
    """
    raw = read_pixels(path, "deep").astype(np.int64)
    return np.where(raw == MISSING, 0, raw / UNITS_PER_METRE).astype(np.float32)


class Taskonomy(FileDomain):
    """Real buildings; views that have all five files, matched by point and view and never by position.

    Images are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel, edges by any edge pixel that falls into the output pixel. A view that lacks a file is left out
    (``data check`` lists such views); a scene that lacks a modality, or that the split names but is not there, is
    an error. Which way the axes of the normals point differs between what the authors write and what their files
    hold, so it is measured against the depth.

    Args:
        root: the folder with rgb/, normal/, depth_zbuffer/, edge_occlusion/ and segment_semantic/, or one above it.
        size: (H, W).

    Raises:
        UserError: a modality or a scene is missing.
    """

    name = "taskonomy"
    tasks = ("semseg", "depth", "normal", "edge")
    classes = CLASSES
    edge_definition = EDGE_DEFINITION
    kinds = (
        Kind("rgb", pixels("photo")), Kind("normal", pixels("vectors"), scaled=True),
        Kind("depth_zbuffer", read_depth, scaled=True), Kind("edge_occlusion", pixels("deep"), scaled=True),
        Kind("segment_semantic", pixels("ids"), ids_up_to(FIRST_ID + len(CLASSES) - 1), scaled=True),
    )  # fmt: skip
    depth_kind, ids_kind, normals_kind = "depth_zbuffer", "segment_semantic", "normal"
    usual_signs = (1, -1, 1)
    limits = Limits(depth=(0.5, 12.0), usual_depth=2.6, largest_id=FIRST_ID + len(CLASSES) - 1, void=(0, 1))

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        base = find_base(Path(root))
        if base is None:
            raise UserError(
                f"{root} does not look like Taskonomy.", "It should hold the folders " + ", ".join(MODALITIES) + "."
            )
        super().__init__(base, size)
        self._scenes, self._origin = read_split(Path(root), base)
        folders = {modality: scene_folders(base, modality) for modality in MODALITIES}
        self._listings: dict[str, dict[str, Listing]] = {}
        self._views: dict[Split, list[View]] = {
            split: [view for scene in self._kept(list(self._scenes[split])) for view in self._scene(scene, folders)]
            for split in SPLITS
        }
        for split, views in self._views.items():
            if not views:
                raise UserError(f"{base}: no {split} view has all of {', '.join(MODALITIES)}.", "Complete the copy.")

    def _scene(self, scene: str, folders: dict[str, dict[str, Path]]) -> list[View]:
        for modality in MODALITIES:
            if scene not in folders[modality]:
                raise UserError(
                    f"Taskonomy: scene {scene} has no {modality} files.",
                    f"Complete the copy; some scenes can no longer be had from the server. {WITHOUT_SCENE} The split "
                    f"is from {self._origin}.",
                )
        listings = {modality: list_views(folders[modality][scene]) for modality in MODALITIES}
        every = frozenset.union(*(listing.stems for listing in listings.values()))
        common = frozenset.intersection(*(listing.stems for listing in listings.values()))
        if len(common) < len(every):
            log.info("Taskonomy: %d views of %s lack a file and are left out.", len(every - common), scene)
        # Only how files are named is kept: the sets of views would be a burden to every worker process.
        self._listings[scene] = {m: replace(listing, stems=frozenset()) for m, listing in listings.items()}
        views = [View(scene, stem) for stem in sorted(common, key=view_order)]
        kept = set(self._kept([f"{scene}/{view.stem}" for view in views])) if self._options.skipped else None
        return [view for view in views if kept is None or f"{scene}/{view.stem}" in kept]

    def length(self, split: Split) -> int:
        """How many views ``split`` has."""
        return len(self._views[split])

    def image_name(self, split: Split, index: int) -> str:
        """``scene/point_1_view_2``."""
        view = self._views[split][index]
        return f"{view.scene}/{view.stem}"

    def find(self, split: Split, index: int) -> Find:
        """Modality -> the file of a view."""
        return partial(self._path, self._views[split][index])

    def load(self, split: Split, index: int) -> dict[str, Array]:
        """The files of view ``index`` of ``split``.

        Raises:
            FileError: something is wrong with one; the hint says what to do where the server's copy is no better.
        """
        self.check_index(split, index)
        try:
            return load(self.kinds, self.find(split, index))
        except FileError as error:
            hint = f"{error.hint} {DAMAGED_VIEW} ({self.image_name(split, index)})."
            raise FileError(error.message, hint, error.kind) from error

    def described(self) -> dict[str, Any]:
        """The reader's version, and what an edge is."""
        return {"taskonomy": VERSION, "edge": EDGE_DEFINITION}

    def listed(self) -> dict[str, Any]:
        """The scenes and views of each split."""
        views = {split: digest(f"{v.scene}/{v.stem}" for v in views) for split, views in self._views.items()}
        return {"scenes": self._scenes, "views": views}

    def evidence(self, content: Mapping[str, Array]) -> Evidence:
        """What one view says about the axes of its normals."""
        height, width = content["depth_zbuffer"].shape
        normals = Framing(content["normal"].shape[:2], (height, width)).labels(
            unit_normals(content["normal"], (1, 1, 1))
        )
        # Fields of view differ from view to view; for signs about 60 degrees is near enough.
        return agreement(content["depth_zbuffer"], normals, Pinhole(0.87 * width, 0.87 * width, width / 2, height / 2))

    def sample(self, split: Split, index: int) -> Sample:
        """Read view ``index`` of ``split``."""
        files = self.load(split, index)
        assert self.axes is not None
        depth, ids = self._framed(files["depth_zbuffer"]), self._framed(files["segment_semantic"])
        normal = self._framed(unit_normals(files["normal"], self.axes.signs))
        edge = files["edge_occlusion"].astype(np.int64)
        missing = depth == 0
        lines = Framing(edge.shape, self.size).lines(edge >= EDGE_RANGE / 2)
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": np.where(ids < FIRST_ID, 255, ids - FIRST_ID).astype(np.uint8),
            "depth": np.where(missing, np.float32(255), depth)[None],
            "normal": np.where(missing, np.float32(255), normal),
            "edge": np.where(missing, np.float32(255), lines.astype(np.float32))[None],
        }
        return Sample(Framing(files["rgb"].shape[:2], self.size).image(files["rgb"]), labels)

    def _framed(self, values: Array) -> Array:
        """Modalities may come at different resolutions of one and the same field of view."""
        return Framing((values.shape[-2], values.shape[-1]), self.size).labels(values)

    def _path(self, view: View, modality: str) -> Path:
        return self._listings[view.scene][modality].path(view.stem)
