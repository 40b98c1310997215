"""The class track of ``folder``: pictures with one label each, by a table or by folders."""

from __future__ import annotations

import csv
from pathlib import Path

from ttt_bench.domains.contract import SPLITS, Split
from ttt_bench.domains.disk.pictures import Labelled, PictureFiles, list_pictures
from ttt_bench.domains.folder.description import FILE, Description
from ttt_bench.domains.folder.splits import in_ten, listed_splits
from ttt_bench.domains.pixels.opening import FileError, is_file, is_folder, read_text, subfolders

VERSION = 1
Named = tuple[str, str]
"""A file below the root, and the name of its class."""


def pictures(name: str, root: Path, size: tuple[int, int], about: Description) -> PictureFiles:
    """A domain of labelled pictures.

    Raises:
        UserError: a picture, a label or a class is not what the description says.
    """
    splits = named_splits(root, about)
    found = sorted({label for files in splits.values() for _, label in files})
    classes = about.classes.names or tuple(found)
    unknown = [label for label in found if label not in classes]
    if unknown:
        raise FileError(
            f"{root}: the class {unknown[0]!r} is not among the names in {FILE}.",
            f"[classes] names has {', '.join(classes)}.", "out of range",
        )  # fmt: skip
    ids = {label: position for position, label in enumerate(classes)}
    files: dict[Split, list[Labelled]] = {
        split: [(file, ids[label]) for file, label in named] for split, named in splits.items()
    }
    return PictureFiles(name, root, size, tuple(classes), files, VERSION)


def named_splits(root: Path, about: Description) -> dict[Split, list[Named]]:
    """Every picture with the name of its class, by split.

    Raises:
        UserError: there are none, or a table is damaged.
    """
    table = root / about.classes.labels
    if is_file(table):
        rows = _rows(table)
        if rows[0][2]:
            return {split: [(file, label) for file, label, own in rows if own == split] for split in SPLITS}
        return _split([(file, label) for file, label, _ in rows], root, about)
    folders = subfolders(root / "images") if is_folder(root / "images") else []
    if folders and all(folder.name in SPLITS for folder in folders):
        return {split: _by_class(root, f"images/{split}") for split in SPLITS if is_folder(root / "images" / split)}
    if folders:
        return _split(_by_class(root, "images"), root, about)
    raise FileError(
        f"{root} has neither {about.classes.labels} nor folders of classes below images/.",
        "Write a table with the columns file,label, or sort the pictures into images/<class>/.", "missing",
    )  # fmt: skip


def _split(files: list[Named], root: Path, about: Description) -> dict[Split, list[Named]]:
    listed = listed_splits(root, about.splits)
    if listed is None:
        return in_ten(files)
    by_name = {file.removeprefix("images/"): (file, label) for file, label in files}
    by_stem = {Path(file).stem: entry for file, entry in by_name.items()}
    found: dict[Split, list[Named]] = {}
    for split, names in listed.items():
        for name in names:
            if name not in by_name and name not in by_stem:
                raise FileError(f"{root}: no picture {name!r}, which is listed for {split}.", "Correct the list.")
        found[split] = [by_name.get(name) or by_stem[name] for name in names]
    return found


def _by_class(root: Path, below: str) -> list[Named]:
    return [
        (f"{below}/{folder.name}/{file}", folder.name)
        for folder in subfolders(root / below)
        for file in list_pictures(folder)
    ]


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """(file below the root, label, split or empty) of each line."""
    hint = "The first line is file,label or file,label,split; every other line is one picture below images/."
    reader = csv.DictReader(read_text(path, hint).splitlines())
    columns = [column.strip().lower() for column in reader.fieldnames or ()]
    if not {"file", "label"} <= set(columns):
        raise FileError(f"{path} has the columns {', '.join(columns) or 'of nothing'}.", hint)
    reader.fieldnames = columns
    rows = []
    for number, row in enumerate(reader, 2):
        file, label, split = ((row.get(key) or "").strip() for key in ("file", "label", "split"))
        if not file or not label or ("split" in columns and split not in SPLITS):
            raise FileError(f"{path}, line {number}: a file, a label or the split is missing or unknown.", hint)
        rows.append((f"images/{file.removeprefix('images/')}", label, split))
    if not rows:
        raise FileError(f"{path} names no picture.", hint)
    twice = len(rows) - len({file for file, _, _ in rows})
    if twice:
        raise FileError(f"{path} names {twice} pictures twice.", "Remove the lines that are wrong.")
    return rows
