"""How hard each shift is, and how much of it re-estimated statistics undo: a table from a finished sweep.

    python -m ttt_bench sweep --methods base --batches 16 --steps 1 --name shifts --pairs \
        "rooms/studio->rooms/studio,rooms/studio->rooms/fog,rooms/studio->rooms/cctv"
    python benchmarks/shifts.py results/shifts
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ttt_bench.metrics import delta
from ttt_bench.report import score_folder
from ttt_bench.report.groups import Group


def main(folder: Path) -> None:
    """Print, for each target, Delta of the source model and of ``bn`` against the source model on its own domain."""
    groups = score_folder(folder).groups
    home = next(group for group in groups if len({part.strip() for part in group.pair.split("->")}) == 1)
    print("| target | drop of the source model (%) | left with `bn` (%) | recovered by `bn` |")
    print("|---|--:|--:|--:|")
    for group in groups:
        if group is not home:
            drop, left = (-_against(home, group, method) for method in ("base", "bn"))
            print(f"| `{group.pair.split('->')[1]}` | {drop:.1f} | {left:.1f} | {100 * (1 - left / drop):.0f} % |")


def _against(home: Group, group: Group, method: str) -> float:
    """Delta of ``method`` on a target over the source model at home, percent."""
    here, there = (
        np.array([[g.row(name).mean(f"last/{m.id}")] for m in home.metrics])  # type: ignore[union-attr]
        for g, name in ((group, method), (home, "base"))
    )
    return float(delta(here, there[:, 0], [m.higher_is_better for m in home.metrics])[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
