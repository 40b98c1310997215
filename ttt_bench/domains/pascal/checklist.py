"""What there is to check in PASCAL-Context."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.disk.checking import Checklist, Kind
from ttt_bench.domains.disk.listing import ids_up_to, named_items, pixels
from ttt_bench.domains.pascal.family import CLASSES
from ttt_bench.domains.pascal.reader import FOLDERS, LISTS, NORMAL_SIGNS, read_label_map
from ttt_bench.domains.pixels.files import IDS, RGB, Array, unit_normals

PAPER = {"train": 4998, "val": 5105}


def checklist(root: Path) -> Checklist:
    """Everything that the data set should have; touches names only."""
    items, problems = named_items(root, LISTS, FOLDERS)
    kinds = (
        Kind("images", pixels(RGB)), Kind("parts", read_label_map),
        Kind("semseg", pixels(IDS), ids_up_to(len(CLASSES), 255)), Kind("normals", pixels(RGB), _facing, True),
    )  # fmt: skip
    return Checklist(kinds, items, PAPER, problems=problems)


def _facing(values: Array) -> str:
    """No surface that is seen points away from the viewer."""
    normals = unit_normals(values, NORMAL_SIGNS)
    valid = normals[0] != 255
    away = float((normals[2][valid] < 0).mean()) if valid.any() else 0.0
    return f"{away:.0%} of the normals point away from the viewer" if away > 0.5 else ""
