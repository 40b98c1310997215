"""VisDA-C in its original folders.

Peng et al.: "VisDA: The Visual Domain Adaptation Challenge", arXiv 1710.06924.
"""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.contract import Split
from ttt_bench.domains.disk.pictures import PictureFiles, list_pictures
from ttt_bench.domains.pixels.opening import FileError, is_file, is_folder, read_text
from ttt_bench.domains.visda.family import CLASSES

VERSION = 1
LIST = "image_list.txt"
Files = list[tuple[str, int]]


def is_visda(root: Path) -> bool:
    """Whether a part holds most of the classes as folders: other sets share some of their names."""
    return any(sum(is_folder(root / part / name) for name in CLASSES) > 6 for part in ("train", "validation"))


def visda(part: str, root: Path, size: tuple[int, int]) -> PictureFiles:
    """One part of VisDA-C: train (with splits of its own), validation or test (targets only).

    Raises:
        UserError: a folder or the list is missing, or the list has something else in it.
    """
    numbered = is_file(root / part / LIST)
    return PictureFiles(f"visda/{part}", root, size, CLASSES, splits_of(part, listed(part, root)), VERSION, numbered)


def splits_of(part: str, files: Files) -> dict[Split, Files]:
    """The renders in ten parts, eight of them for training; photographs are all for test."""
    if part != "train":
        return {"test": files}
    kept = [file for i, file in enumerate(files) if i % 10 not in (0, 5)]
    return {"train": kept, "val": files[::10], "test": files[5::10]}


def listed(part: str, root: Path) -> Files:
    """Every picture of a part with its label, by its list where there is one, else by its folders."""
    path = root / part / LIST
    if is_file(path):
        return _from_list(path, part)
    found = []
    for label, name in enumerate(CLASSES):
        folder = root / part / name
        if not is_folder(folder):
            raise FileError(f"{folder} does not exist, nor does {path}.", "Complete the copy of the data.", "missing")
        found += [(f"{part}/{name}/{file}", label) for file in list_pictures(folder)]
    return found


def _from_list(path: Path, part: str) -> Files:
    found = []
    for number, line in enumerate(read_text(path, "One image a line: path and label.").splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or not label.isdigit() or int(label) >= len(CLASSES):
            raise FileError(
                f"{path}, line {number}: {line!r} is not a path and a label from 0 to {len(CLASSES) - 1}.",
                "Copy the original list.", "out of range",
            )  # fmt: skip
        found.append((f"{part}/{name}", int(label)))
    return found
