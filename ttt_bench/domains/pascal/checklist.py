"""What there is to check in PASCAL-Context."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.disk.checking import Checklist
from ttt_bench.domains.disk.listing import listed_checklist
from ttt_bench.domains.pascal.reader import Pascal

PAPER = {"train": 4998, "val": 5105}


def checklist(root: Path) -> Checklist:
    """Everything that the data set should have; touches names only."""
    return listed_checklist(Pascal, root, PAPER)
