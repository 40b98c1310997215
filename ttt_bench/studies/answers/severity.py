"""Tables of the severity study: methods against severities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttt_bench.report.groups import Group
from ttt_bench.report.kinds import Series, by_target, level, share_of_images
from ttt_bench.report.runs import BN
from ttt_bench.report.tables import MISSING, Entry, TextTable, number

SIGNED, PLAIN = number(1, signed=True), number(1)


def severity_tables(groups: Sequence[Group]) -> list[TextTable]:
    """A table for each source and target that was corrupted at two severities or more."""
    found = by_target(groups).items()
    return [
        _table(f"{source} → {clean}: {block.title}", series)
        for (block, source, clean), series in found
        if len(series) > 1
    ]


def _table(title: str, series: Series) -> TextTable:
    severities = sorted(series)
    shared = [kind for kind in series[severities[0]] if all(kind in series[s] for s in severities)]
    members = [series[s][kind] for s in severities for kind in shared]
    labels = list(dict.fromkeys(row.label for group in members for row in group.rows))
    levels = {
        label: np.array([np.mean([level(series[s][kind], label) for kind in shared]) for s in severities])
        for label in labels
    }
    rows = []
    for label, values in levels.items():
        gained = values - levels[BN] if BN in levels else np.full(len(values), np.nan)
        known = label != BN and bool(np.isfinite(gained).any())
        ends = f"{SIGNED(gained[0])} / {SIGNED(gained[-1])}" if known else MISSING
        rows.append((Entry(label), *(Entry(PLAIN(value)) for value in values), Entry(ends)))
    metric = share_of_images(members[0])
    name = metric.label if metric else ""
    runs = max(len(row.runs) for group in members for row in group.rows)
    head = ("method", *(f"severity {s}" for s in severities), f"over bn at {severities[0]} / {severities[-1]}")
    notes = (
        f"{name}, mean over {len(shared)} kind{'s' * (len(shared) > 1)} ({', '.join(shared)}) and {runs} "
        f"seed{'s' * (runs > 1)}, last step.",
        *dict.fromkeys(f"{row.label}: {len(row.collapsed_steps)} of {len(row.runs)} runs collapsed on {group.title}."
          for group in members for row in group.rows if row.collapsed_steps),
    )  # fmt: skip
    return TextTable(title, head, tuple(rows), notes)
