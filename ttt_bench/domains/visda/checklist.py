"""What there is to check in VisDA-C."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ttt_bench.domains.disk.checking import Checklist
from ttt_bench.domains.disk.picture_checks import check_pictures
from ttt_bench.domains.pixels.opening import is_folder
from ttt_bench.domains.visda.reader import visda

PARTS = ("train", "validation", "test")


def checklist(root: Path) -> Checklist:
    """Every picture of every part that is there."""
    there = [part for part in PARTS if is_folder(root / part)]
    absent = [part for part in PARTS if part not in there]
    notes = (f"not there: {', '.join(absent)}",) if absent else ()
    return check_pictures([partial(visda, part, root, (224, 224)) for part in there], notes)
