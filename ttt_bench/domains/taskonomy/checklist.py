"""What there is to check in Taskonomy."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Problem
from ttt_bench.domains.taskonomy.reader import DAMAGED_VIEW, WITHOUT_SCENE, Taskonomy
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
    opened = partial(Taskonomy, root)
    remedy = f"{DAMAGED_VIEW} (named as above: scene/point_1_view_2)"
    if any("scene " in problem.what for problem in problems):
        remedy = f"some scenes can no longer be had from the server. {WITHOUT_SCENE} {remedy}"
    return Checklist(
        Taskonomy.kinds, tuple(items), {}, None, True, Taskonomy, (opened,), tuple(problems), tuple(notes), remedy
    )


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
