"""Reading at equal compute: what was cut off, and for whom not one update fits."""

from __future__ import annotations

import re
from dataclasses import replace

from ttt_bench.choices import POSITIVE, read_float
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import BASE


def read_budget(text: str) -> float:
    """``2x`` or ``2``: so many forwards of each image through the encoder.

    Raises:
        UserError: it is no number above 0.
    """
    return read_float("--budget", re.sub(r"\s*[x×]\s*$", "", text, flags=re.IGNORECASE), POSITIVE)


def within_budget(group: Group, budget: float | None) -> Group:
    """``group``, whose runs were read up to the budget, with notes that say so; as it is without one."""
    if budget is None:
        return group
    notes = [
        f"Read at equal compute, within {budget:g}x: every run up to the last scored step whose updates, forwards + "
        "2 × backwards, cost at most so many forwards of each image through the encoder."
    ]
    stuck = [row.label for row in group.rows if row.method != BASE and all(s.run.steps[-1] == 0 for s in row.runs)]
    if stuck:
        notes.append(f"Not one update fits for {', '.join(stuck)}: these are read at step 0.")
    if group.block.protocol == "online":
        notes.append(
            "In `online`, step k of a batch follows all updates of the batches before it, whatever the budget."
        )
    return replace(group, notes=(*notes, *group.notes), budget=budget)
