"""Which files of Taskonomy belong to which scene, view and split. Touches no pixel."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ttt_bench.domains.contract import SPLITS, Split
from ttt_bench.domains.pixels.opening import exists, is_folder, not_listed, read_text, subfolders
from ttt_bench.errors import UserError

MODALITIES = ("rgb", "normal", "depth_zbuffer", "edge_occlusion", "segment_semantic")

SCENES: dict[Split, tuple[str, ...]] = {
    "train": (
        "allensville", "beechwood", "benevolence", "coffeen", "cosmos", "forkland", "hanson", "hiteman", "klickitat",
        "lakeville", "leonardo", "lindenwood", "marstons", "merom", "mifflinburg", "newfields", "onaga", "pinesdale",
        "pomaria", "ranchester", "shelbyville", "stockman", "tolstoy", "wainscott", "woodbine",
    ),
    "val": ("collierville", "corozal", "darden", "markleeville", "wiconisco"),
    "test": ("ihlen", "mcdade", "muleshoe", "noxapater", "uvalda"),
}  # fmt: skip
"""The official tiny split. The paper trains on train and val together and tests on scenes that it does not name."""
CHECKSUMS: dict[Split, str] = {"train": "2f6fd2a041c5af2a", "val": "2cf4a12dcdf2fa59", "test": "201c54c9ef4133da"}
"""First 16 digits of the SHA-256 of each list, one scene per line; they go with every published number."""
SPLIT_FILE = "train_val_test_tiny.csv"
VIEW = re.compile(r"(point_(\d+)_view_(\d+))(?:_domain_(.*))?", re.IGNORECASE)


class View(NamedTuple):
    """One image: which scene, and the part of its file names that all modalities share. There are a million."""

    scene: str
    stem: str


@dataclass(frozen=True)
class Listing:
    """The files of one modality in one scene."""

    folder: Path
    tail: str
    """What most file names have after the stem."""
    exceptions: dict[str, str]
    """Tails of the others, by stem."""
    stems: frozenset[str]

    def path(self, stem: str) -> Path:
        """The file of a view."""
        return self.folder / (stem + self.exceptions.get(stem, self.tail))


def find_base(root: Path) -> Path | None:
    """The folder that holds rgb/, normal/ and so on, at or below ``root``; None without one."""
    for candidate in (root, root / "data", root / "taskonomy" / "data", root / "taskonomy"):
        if sum(is_folder(candidate / modality) for modality in MODALITIES) >= 2:
            return candidate
    return None


def scene_folders(base: Path, modality: str) -> dict[str, Path]:
    """Folders by scene: ``<modality>/taskonomy/<scene>`` or ``<modality>/<scene>``.

    Raises:
        UserError: the modality has no folder.
    """
    folder = base / modality
    if not is_folder(folder):
        raise UserError(f"{base} has no folder {modality}/.", "Taskonomy needs: " + ", ".join(MODALITIES) + ".")
    inner = folder / "taskonomy"
    return {child.name: child for child in subfolders(inner if is_folder(inner) else folder)}


def list_views(folder: Path) -> Listing:
    """The views of one modality in one scene, by the point and view in their file names.

    Raises:
        UserError: two files are of one view.
    """
    tails: dict[str, str] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a million names: no Path for each
    except OSError as error:
        raise not_listed(folder, error) from error
    for name in names:
        match = VIEW.match(name)
        if match is None or not name.lower().endswith(".png"):
            continue
        stem = match[1]
        if stem in tails:
            raise UserError(f"{folder} has both {stem}{tails[stem]} and {name}.", "Delete the one that is wrong.")
        tails[stem] = name[len(stem) :]
    usual = Counter(tails.values()).most_common(1)
    tail = usual[0][0] if usual else ""
    return Listing(folder, tail, {s: t for s, t in tails.items() if t != tail}, frozenset(tails))


def view_order(stem: str) -> tuple[int, int]:
    """Sorts views by point and view number."""
    match = VIEW.match(stem)
    assert match is not None
    return int(match[2]), int(match[3])


def read_split(root: Path, base: Path) -> tuple[dict[Split, tuple[str, ...]], str]:
    """Scenes of each split and where that is written: ``train_val_test_tiny.csv`` if there is one, else ``SCENES``.

    Raises:
        UserError: the file is not a table of id, train, val and test.
    """
    for folder in (base / "splits_taskonomy", root / "splits_taskonomy", root):
        path = folder / SPLIT_FILE
        if exists(path):
            return _parse_split(path), str(path)
    return SCENES, "the official tiny split"


def _parse_split(path: Path) -> dict[Split, tuple[str, ...]]:
    scenes: dict[Split, list[str]] = {split: [] for split in SPLITS}
    text = read_text(path, "It is a table of scenes.")
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            for split in SPLITS:
                if int(row[split]):
                    scenes[split].append(row["id"].strip())
    except (csv.Error, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}.", "Its head is id,train,val,test; each scene has 1 in one of the three."
        ) from error
    every = [name for names in scenes.values() for name in names]
    if not all(scenes.values()) or len(set(every)) < len(every):
        raise UserError(f"{path}: a split is empty or a scene is in two of them.", "Every scene is in one split only.")
    return {split: tuple(sorted(names)) for split, names in scenes.items()}
