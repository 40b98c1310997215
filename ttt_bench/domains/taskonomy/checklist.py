"""What there is to check in Taskonomy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Kind, Problem
from ttt_bench.domains.disk.listing import ids_up_to, pixels
from ttt_bench.domains.pixels.axes import agreement
from ttt_bench.domains.pixels.files import DEEP, IDS, RGB, Array, unit_normals
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.domains.taskonomy.reader import NORMAL_SIGNS, read_depth
from ttt_bench.domains.taskonomy.scenes import (
    CHECKSUMS,
    MODALITIES,
    SCENES,
    Listing,
    find_base,
    list_views,
    read_split,
    scene_folders,
    view_order,
)
from ttt_bench.errors import UserError

OFFICIAL = {"train": 25, "val": 5, "test": 5}
"""Scenes."""


def checklist(root: Path) -> Checklist:
    """Everything that the data set should have; touches names only."""
    base = find_base(root)
    assert base is not None
    problems: list[Problem] = []
    try:
        scenes, origin = read_split(root, base)
    except UserError as error:
        problems.append(Problem("unreadable", error.message))
        scenes, origin = SCENES, "the official tiny split"
    folders: dict[str, dict[str, Path]] = {}
    for modality in MODALITIES:
        try:
            folders[modality] = scene_folders(base, modality)
        except UserError as error:
            problems.append(Problem("missing", error.message))
            folders[modality] = {}
    items: list[Item] = []
    for split in SPLITS:
        for scene in scenes[split]:
            items += _scene(split, scene, base, folders, problems)
    counts = ", ".join(f"{len(scenes[split])} {split}" for split in SPLITS)
    official = "/".join(map(str, OFFICIAL.values()))
    notes = [f"scenes from {origin}: {counts} (tiny has {official}; checksums {', '.join(CHECKSUMS.values())})"]
    if scenes != SCENES:
        notes.append("these are not the scenes of the official tiny split")
    kinds = (
        Kind("rgb", pixels(RGB)), Kind("normal", pixels(RGB), scaled=True),
        Kind("depth_zbuffer", pixels(DEEP), scaled=True), Kind("edge_occlusion", pixels(DEEP), scaled=True),
        Kind("segment_semantic", pixels(IDS), ids_up_to(17), scaled=True),
    )  # fmt: skip
    return Checklist(kinds, tuple(items), {}, None, True, _axes, tuple(problems), tuple(notes))


def _scene(
    split: str, scene: str, base: Path, folders: dict[str, dict[str, Path]], problems: list[Problem]
) -> list[Item]:
    listings: dict[str, Listing] = {}
    for modality in MODALITIES:
        if scene not in folders[modality]:
            if folders[modality]:  # else the whole modality is reported already
                problems.append(Problem("missing", f"scene {scene} ({split}) has no {modality} files below {base}"))
            continue
        try:
            listings[modality] = list_views(folders[modality][scene])
        except UserError as error:
            problems.append(Problem("unreadable", error.message))
    if not listings:
        return []
    stems = sorted(frozenset.union(*(listing.stems for listing in listings.values())), key=view_order)
    if len(listings) < len(MODALITIES):
        return []
    return [Item(split, f"{scene}/{stem}", partial(_view, listings, stem)) for stem in stems]


def _view(listings: dict[str, Listing], stem: str, modality: str) -> Path:
    return listings[modality].path(stem)


def _axes(item: Item, content: dict[str, Array]) -> npt.NDArray[np.float64]:
    depth = read_depth(item.find("depth_zbuffer"))
    depth = np.where(depth == 255, 0, depth).astype(np.float32)
    normals = unit_normals(content["normal"], NORMAL_SIGNS)
    side = depth.shape[1]
    if normals.shape[1:] != depth.shape:
        return np.zeros((3, 3))
    # Fields of view differ from view to view; for signs about 60 degrees is near enough.
    return agreement(depth, normals, Pinhole(0.87 * side, 0.87 * side, side / 2, depth.shape[0] / 2))
