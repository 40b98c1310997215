"""What there is to check in each layout of the real data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Kind, Problem
from ttt_bench.domains.disk.layouts import Found
from ttt_bench.domains.nyudv2 import frames as nyudv2
from ttt_bench.domains.nyudv2 import package as nyudv2_package
from ttt_bench.domains.pascal import reader as pascal
from ttt_bench.domains.pixels.axes import agreement
from ttt_bench.domains.pixels.files import DEEP, IDS, RGB, Array, list_files, read_array, read_names, unit_normals
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.domains.taskonomy import reader as taskonomy
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

NYUDV2 = {"train": 795, "val": 654}
PASCAL = {"train": 4998, "val": 5105}
TASKONOMY_SCENES = {"train": 25, "val": 5, "test": 5}


def checklist_of(found: Found) -> Checklist:
    """Everything that a data set should have; touches names only."""
    return _MAKERS[found.layout.name](found.root)


def _pixels(modes: tuple[str, ...]) -> Callable[[Path], Array]:
    return lambda path: read_array(path, modes)


def _ids(largest: int, void: int | None = None) -> Callable[[Array], str]:
    def fault(values: Array) -> str:
        unknown = np.unique(values[(values > largest) & (values != (largest if void is None else void))])
        return f"ids {', '.join(map(str, unknown[:8]))} (the largest is {largest})" if unknown.size else ""

    return fault


def _black_or_white(values: Array) -> str:
    return "" if set(np.unique(values)) <= {0, 255} else "an edge map has values other than 0 and 255"


def _named(
    root: Path, lists: str, folders: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> tuple[tuple[Item, ...], tuple[Problem, ...]]:
    """One item for each name in train.txt and val.txt."""
    problems: list[Problem] = []
    places: dict[str, dict[str, Path]] = {}
    for kind, (choices, suffixes) in folders.items():
        places[kind] = {}
        for choice in choices:
            if (root / choice).is_dir():
                for stem, file in list_files(root / choice, suffixes).items():
                    places[kind].setdefault(stem, root / choice / file.name)
        if not places[kind]:
            problems.append(Problem("missing", f"{root / choices[0]} has no {suffixes[0]} files"))
    items = []
    for split in ("train", "val"):
        try:
            names = read_names(root / lists / f"{split}.txt")
        except UserError as error:
            problems.append(Problem("unreadable", error.message))
            continue
        for name in names:
            files = {
                kind: places[kind].get(name, root / choices[0] / f"{name}{suffixes[0]}")
                for kind, (choices, suffixes) in folders.items()
            }
            items.append(Item(split, name, files.__getitem__))
    return tuple(items), tuple(problems)


def _package(root: Path) -> Checklist:
    folders = {kind: ((kind,), suffixes) for kind, suffixes in nyudv2_package.FOLDERS.items()}
    items, problems = _named(root, "gt_sets", folders)
    kinds = (
        Kind("images", _pixels(RGB)), Kind("segmentation", _pixels(IDS), _ids(40)),
        Kind("depth", nyudv2_package.read_depth), Kind("normals", _pixels(RGB)),
        Kind("edge", _pixels(IDS), _black_or_white),
    )  # fmt: skip
    return Checklist(kinds, items, NYUDV2, nyudv2_package.NATIVE, True, None, problems, _package_notes(root))


def _package_notes(root: Path) -> tuple[str, ...]:
    try:
        signs = nyudv2_package.NYUDv2Package(root, (32, 32)).signs
    except UserError:
        return ()  # whatever is wrong with the files is found when they are checked
    return (f"axes of the stored normals, measured against the depth: {signs} (1: x right, y up, z to the viewer)",)


def _frames(root: Path) -> Checklist:
    folders = {
        "image": (("image",), (".jpg",)), "depth": (("depth",), (".png",)), "label40": (("label40",), (".png",)),
    }  # fmt: skip
    items, problems = _named(root, "splits", folders)
    kinds = (Kind("image", _pixels(RGB)), Kind("depth", _pixels(DEEP)), Kind("label40", _pixels(IDS), _ids(40)))
    return Checklist(kinds, items, NYUDV2, nyudv2.NATIVE, True, None, problems)


def _pascal(root: Path) -> Checklist:
    items, problems = _named(root, pascal.LISTS, pascal.FOLDERS)
    kinds = (
        Kind("images", _pixels(RGB)), Kind("parts", pascal.read_label_map),
        Kind("semseg", _pixels(IDS), _ids(len(pascal.CLASSES), 255)), Kind("normals", _pixels(RGB), _facing, True),
    )  # fmt: skip
    return Checklist(kinds, items, PASCAL, problems=problems)


def _facing(values: Array) -> str:
    """No surface that is seen points away from the viewer."""
    normals = unit_normals(values, pascal.NORMAL_SIGNS)
    valid = normals[0] != 255
    away = float((normals[2][valid] < 0).mean()) if valid.any() else 0.0
    return f"{away:.0%} of the normals point away from the viewer" if away > 0.5 else ""


def _taskonomy(root: Path) -> Checklist:
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
    official = "/".join(map(str, TASKONOMY_SCENES.values()))
    notes = [f"scenes from {origin}: {counts} (tiny has {official}; checksums {', '.join(CHECKSUMS.values())})"]
    if scenes != SCENES:
        notes.append("these are not the scenes of the official tiny split")
    kinds = (
        Kind("rgb", _pixels(RGB)), Kind("normal", _pixels(RGB), scaled=True),
        Kind("depth_zbuffer", _pixels(DEEP), scaled=True), Kind("edge_occlusion", _pixels(DEEP), scaled=True),
        Kind("segment_semantic", _pixels(IDS), _ids(17), scaled=True),
    )  # fmt: skip
    return Checklist(kinds, tuple(items), {}, None, True, _taskonomy_axes, tuple(problems), tuple(notes))


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


def _taskonomy_axes(item: Item, content: dict[str, Array]) -> npt.NDArray[np.float64]:
    depth = taskonomy.read_depth(item.find("depth_zbuffer"))
    depth = np.where(depth == 255, 0, depth).astype(np.float32)
    normals = unit_normals(content["normal"], taskonomy.NORMAL_SIGNS)
    side = depth.shape[1]
    if normals.shape[1:] != depth.shape:
        return np.zeros((3, 3))
    # Fields of view differ from view to view; for signs about 60 degrees is near enough.
    return agreement(depth, normals, Pinhole(0.87 * side, 0.87 * side, side / 2, depth.shape[0] / 2))


_MAKERS: dict[str, Callable[[Path], Checklist]] = {
    "nyudv2-package": _package, "nyudv2-frames": _frames, "pascal": _pascal, "taskonomy": _taskonomy,
}  # fmt: skip
