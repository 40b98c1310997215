"""What there is to check in data of your own, and what was found."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Problem
from ttt_bench.domains.disk.picture_checks import check_pictures
from ttt_bench.domains.folder.description import FILE, Description, read_description
from ttt_bench.domains.folder.maps import MAPS, Maps, maps_of
from ttt_bench.domains.folder.pictures import pictures
from ttt_bench.domains.pixels.files import list_files
from ttt_bench.domains.pixels.opening import is_folder
from ttt_bench.errors import UserError

SIZE = (64, 64)


def checklist(root: Path) -> Checklist:
    """Everything that the description and the files promise; touches names only."""
    try:
        about = read_description(root)
    except UserError as error:
        return Checklist((), (), problems=(Problem.of(error),), remedy=error.hint)
    return _maps(root, about) if maps_of(root) else _pictures(root, about)


def _pictures(root: Path, about: Description) -> Checklist:
    try:
        domain = pictures("folder", root, SIZE, about)
    except UserError as error:
        return Checklist((), (), problems=(Problem.of(error),), remedy=error.hint)
    notes = (
        f"one label per image: {len(domain.classes)} classes ({', '.join(domain.classes)})",
        *(f"no {split} images" for split in SPLITS if not domain.length(split)),
        f"no {', '.join(f'{name}/' for name in MAPS)} beside images/: nothing for the dense tasks",
    )
    return check_pictures([lambda: domain], notes)


def _maps(root: Path, about: Description) -> Checklist:
    found, absent = maps_of(root), [name for name in MAPS if not is_folder(root / name)]
    notes = [f"maps of {', '.join(found)}"]
    if absent:
        notes.append(f"not there: {', '.join(f'{name}/' for name in absent)}")
    if "normal" in absent and "depth" in found:
        notes.append(
            f"normals are fitted to the depth with the [camera] of {FILE}" if about.camera
            else f"with a [camera] in {FILE} normals could be fitted to the depth"
        )  # fmt: skip
    try:
        domain = Maps("folder", root, SIZE, about)
    except UserError as error:
        return Checklist((), (), problems=(Problem.of(error), *_lacking(root, found)), notes=tuple(notes))
    items = tuple(
        Item(split, domain.image_name(split, index), domain.find(split, index))
        for split in SPLITS
        for index in range(domain.length(split))
    )
    return Checklist(domain.kinds, items, reader=domain, opens=(lambda size: domain,), notes=tuple(notes))


def _lacking(root: Path, found: tuple[str, ...]) -> list[Problem]:
    """Every image that lacks a map, by folder."""
    if not is_folder(root / "images"):
        return []
    names = sorted(list_files(root / "images", (".png", ".jpg", ".jpeg")))
    there = {kind: set(list_files(root / kind, (".png", ".jpg", ".jpeg", ".npy"))) for kind in found}
    return [
        Problem("missing", f"{root / kind / name}.*")
        for kind in found
        for name in names
        if name not in there[kind]
    ]  # fmt: skip
