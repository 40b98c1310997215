"""What there is to check in TinyImageNet and TinyImageNet-C."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ttt_bench.domains.disk.checking import Checklist
from ttt_bench.domains.disk.picture_checks import check_pictures
from ttt_bench.domains.pixels.opening import is_folder
from ttt_bench.domains.tinyimagenet.family import KINDS
from ttt_bench.domains.tinyimagenet.reader import TinyImageNet, corrupted

SIZE = (64, 64)


def tiny(root: Path) -> Checklist:
    """Every picture of TinyImageNet."""
    return check_pictures([partial(TinyImageNet, root, SIZE)], one_size=True)


def corrupted_files(root: Path) -> Checklist:
    """Every picture of every kind and severity."""
    kinds = [kind for kind in KINDS if is_folder(root / kind)]
    absent = [kind for kind in KINDS if kind not in kinds]
    notes = [f"{len(kinds)} of {len(KINDS)} kinds", *([f"not there: {', '.join(absent)}"] if absent else [])]
    members = [f"{kind}-{level}" for kind in kinds for level in range(1, 6)]
    return check_pictures([partial(corrupted, member, root, SIZE) for member in members], tuple(notes), True)
