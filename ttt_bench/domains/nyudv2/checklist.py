"""What there is to check in the two layouts of NYUD-v2."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ttt_bench.domains.disk.checking import Checklist, Kind
from ttt_bench.domains.disk.listing import ids_up_to, named_items, pixels
from ttt_bench.domains.nyudv2.frames import NATIVE as FRAME
from ttt_bench.domains.nyudv2.package import FOLDERS, NATIVE, NYUDv2Package, read_depth
from ttt_bench.domains.pixels.files import DEEP, IDS, RGB, Array
from ttt_bench.errors import UserError

PAPER = {"train": 795, "val": 654}


def package(root: Path) -> Checklist:
    """Everything that the package should have; touches names only."""
    folders = {kind: ((kind,), suffixes) for kind, suffixes in FOLDERS.items()}
    items, problems = named_items(root, "gt_sets", folders)
    kinds = (
        Kind("images", pixels(RGB)), Kind("segmentation", pixels(IDS), ids_up_to(40)), Kind("depth", read_depth),
        Kind("normals", pixels(RGB)), Kind("edge", pixels(IDS), _black_or_white),
    )  # fmt: skip
    return Checklist(kinds, items, PAPER, NATIVE, True, None, problems, _axes(root))


def _black_or_white(values: Array) -> str:
    return "" if set(np.unique(values)) <= {0, 255} else "an edge map has values other than 0 and 255"


def _axes(root: Path) -> tuple[str, ...]:
    try:
        signs = NYUDv2Package(root, (32, 32)).signs
    except UserError:
        return ()  # whatever is wrong with the files is found when they are checked
    return (f"axes of the stored normals, measured against the depth: {signs} (1: x right, y up, z to the viewer)",)


def frames(root: Path) -> Checklist:
    """Everything that plain frames should have; touches names only."""
    folders = {
        "image": (("image",), (".jpg",)), "depth": (("depth",), (".png",)), "label40": (("label40",), (".png",)),
    }  # fmt: skip
    items, problems = named_items(root, "splits", folders)
    kinds = (Kind("image", pixels(RGB)), Kind("depth", pixels(DEEP)), Kind("label40", pixels(IDS), ids_up_to(40)))
    return Checklist(kinds, items, PAPER, FRAME, True, None, problems)
