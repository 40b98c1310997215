"""Rows of one sweep on two networks, and their table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ttt_bench.report.entries import DELTA_BN, Column, TextTable, delta_column, metric_column, metric_head, number
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE, Run
from ttt_bench.report.tables import make_table
from ttt_bench.report.uncertainty import UNKNOWN
from ttt_bench.studies.results import PartResult, delta_against
from ttt_bench.studies.strong_baseline import PLAIN, STRONG
from ttt_bench.studies.tables import BOLD, LAST, reading

NAMES = {PLAIN: "plain", STRONG: "MTI-Net"}
DELTA_PLAIN = "last/delta_plain"
"""Measure: Delta at the last step against the plain network's ``base``."""
PREDICTION = "cost/prediction"
"""Measure: median seconds of one prediction of a batch."""


def on_both(parts: Mapping[str, PartResult]) -> list[Group]:
    """The plain network's groups, each with the rows of the other network on the same pair below its own."""
    joined = []
    for group in parts[PLAIN].groups:
        base = group.row(BASE)
        plain = {s.run.replicate: s.run for s in base.runs} if base is not None else {}
        rows = []
        for key, part in parts.items():
            own = part.group(group)
            rows += [_row(row, key, plain) for row in own.rows] if own is not None else []
        lines = [f"{NAMES[k]}: {g.source_line}." for k, p in parts.items() if (g := p.group(group)) and g.source_line]
        joined.append(replace(group, rows=tuple(rows), notes=(*lines, *group.notes)))
    return joined


def _row(row: Row, network: str, plain: Mapping[str, Run]) -> Row:
    for scored in row.runs:
        scored.measures[DELTA_PLAIN] = delta_against(scored, plain.get(scored.run.replicate))
        scored.measures[PREDICTION] = scored.run.eval_seconds
    return replace(row, label=f"{row.label}, {NAMES[network]}")


def network_table(group: Group) -> TextTable:
    """Metrics, Delta against either ``base``, parameters and seconds of a batch."""
    columns = [metric_column(m, LAST, metric_head(m)) for m in group.metrics]
    columns += [
        delta_column(LAST, "Δ, own base (%) ↑"),
        Column(DELTA_PLAIN, "Δ, plain base (%) ↑", number(2, signed=True), 1),
        delta_column(LAST, DELTA_BN, over_bn=True),
        Column("cost/parameters", "parameters (M)", number(2, 1e-6)),
        Column("cost/updated", "updated (M)", number(3, 1e-6)),
        Column("cost/seconds", "update (s / batch)", number(4)),
        Column(PREDICTION, "prediction (s / batch)", number(4)),
    ]
    # The order of rows is that of networks: intervals of the plain table alone would be read as all rows'.
    alone = replace(group, uncertainty=UNKNOWN)
    title = f"{group.pair}, {group.block.title}"
    return make_table(alone, title, columns, (*group.notes, *reading(group), BOLD), collapse=True)
