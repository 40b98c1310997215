"""TinyImageNet as its course published it or sorted into folders, and TinyImageNet-C.

Classes are the sorted wnids, as in every image-folder reader; ``wnids.txt`` has another order, which nothing here
depends on.
"""

from __future__ import annotations

import re
from pathlib import Path

from ttt_bench.domains.contract import Split
from ttt_bench.domains.disk.pictures import PictureFiles, held_out, list_pictures
from ttt_bench.domains.pixels.opening import FileError, is_file, is_folder, read_text, subfolders
from ttt_bench.domains.tinyimagenet.family import KINDS

VERSION = 1
WNID = re.compile(r"n\d{8}")
ANNOTATIONS = "val/val_annotations.txt"


def is_tiny(root: Path) -> bool:
    """Whether train/ or val/ holds folders named by wnids, or the list of the validation images is there."""
    return is_file(root / ANNOTATIONS) or any(_wnids(root / split) for split in ("train", "val"))


def is_corrupted(root: Path) -> bool:
    """Whether a kind's folder holds severities with folders named by wnids."""
    return any(_wnids(root / kind / level) for kind in KINDS for level in "12345" if is_folder(root / kind))


def _wnids(folder: Path) -> list[str]:
    return [sub.name for sub in subfolders(folder) if WNID.fullmatch(sub.name)] if is_folder(folder) else []


def pictures_of(folder: Path, below: str) -> list[str]:
    """``below/[images/]name`` of every picture of one class, sorted."""
    inner = folder / "images"
    place, prefix = (inner, f"{below}/images") if is_folder(inner) else (folder, below)
    return [f"{prefix}/{name}" for name in list_pictures(place)]


class TinyImageNet(PictureFiles):
    """Photographs of 200 kinds. ``val`` of the files is the test split; every tenth training image is validation.

    Args:
        root: the folder with train/ and val/.
        size: (H, W); 64x64 leaves the pixels as they are.

    Raises:
        UserError: a folder or the list of the validation images is missing or damaged.
    """

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        classes = _wnids(root / "train")
        if not classes:
            raise FileError(
                f"{root / 'train'} has no folders named by wnids such as n01443537.", "Complete the copy.", "missing"
            )
        ids = {wnid: label for label, wnid in enumerate(classes)}
        train = [(file, ids[wnid]) for wnid in classes for file in pictures_of(root / "train" / wnid, f"train/{wnid}")]
        kept, validation = held_out(train)
        files: dict[Split, list[tuple[str, int]]] = {"train": kept, "val": validation, "test": test_files(root, ids)}
        super().__init__("tinyimagenet", root, size, tuple(classes), files, VERSION)


def test_files(root: Path, ids: dict[str, int]) -> list[tuple[str, int]]:
    """The pictures of ``val`` with their labels, by the list or by the folders that they were sorted into.

    Raises:
        UserError: neither tells the labels, or a label is no class of the training images.
    """
    folders = _wnids(root / "val")
    if folders:
        unknown = [wnid for wnid in folders if wnid not in ids]
        if unknown:
            raise FileError(
                f"{root / 'val' / unknown[0]} is no class of {root / 'train'}.", "Complete the copy.", "missing"
            )
        return [(file, ids[wnid]) for wnid in folders for file in pictures_of(root / "val" / wnid, f"val/{wnid}")]
    path = root / ANNOTATIONS
    if not is_file(path):
        raise FileError(
            f"{path} does not exist, and val/ is not sorted into folders by wnid: nothing tells the labels.",
            "Copy val_annotations.txt of tiny-imagenet-200.", "missing",
        )  # fmt: skip
    found = []
    for number, line in enumerate(read_text(path, "One image a line: file, wnid, four numbers.").splitlines(), 1):
        if not line.strip():
            continue
        name, wnid = (*line.split("\t"), "")[:2]
        if wnid not in ids:
            raise FileError(
                f"{path}, line {number}: {wnid!r} is no class of {root / 'train'}.", "Complete the copy of train/.",
                "out of range",
            )  # fmt: skip
        found.append((f"val/images/{name}", ids[wnid]))
    return found


def corrupted(member: str, root: Path, size: tuple[int, int]) -> PictureFiles:
    """One kind and severity of TinyImageNet-C: a target only.

    Raises:
        UserError: the folder of the kind or the severity is missing or empty.
    """
    kind, _, severity = member.rpartition("-")
    folder = root / kind / severity
    classes = _wnids(folder)
    if not classes:
        raise FileError(
            f"{folder} does not exist or has no folders named by wnids such as n01443537.",
            "Complete the copy of the data.", "missing",
        )  # fmt: skip
    files = [
        (file, label)
        for label, wnid in enumerate(classes)
        for file in pictures_of(folder / wnid, f"{kind}/{severity}/{wnid}")
    ]
    return PictureFiles(f"tinyimagenetc/{member}", root, size, tuple(classes), {"test": files}, VERSION)
