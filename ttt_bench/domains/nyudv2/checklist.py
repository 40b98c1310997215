"""What there is to check in the two layouts of NYUD-v2."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.domains.disk.checking import Checklist
from ttt_bench.domains.disk.listing import listed_checklist
from ttt_bench.domains.nyudv2.frames import NATIVE as FRAME
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.nyudv2.package import NATIVE, NYUDv2Package

PAPER = {"train": 795, "val": 654}


def package(root: Path) -> Checklist:
    """Everything that the package should have; touches names only."""
    return listed_checklist(NYUDv2Package, root, PAPER, NATIVE)


def frames(root: Path) -> Checklist:
    """Everything that plain frames should have; touches names only."""
    return listed_checklist(NYUDv2, root, PAPER, FRAME)
