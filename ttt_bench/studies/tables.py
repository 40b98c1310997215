"""The tables of the studies that are sweeps, and what can honestly be read from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttt_bench.method.registry import CONTROLS
from ttt_bench.report.entries import (
    DELTA,
    DELTA_BN,
    MISSING,
    Column,
    Entry,
    TextTable,
    delta_column,
    metric_column,
    metric_head,
    number,
)
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.report.tables import make_table
from ttt_bench.report.uncertainty import DELTA as LAST_DELTA
from ttt_bench.report.uncertainty import DELTA_BN as LAST_DELTA_BN
from ttt_bench.studies.results import DELTA_CLEAN, DELTA_MULTI, GAIN, PartResult

LAST, BEST = SELECTIONS[0], SELECTIONS[-1]
UNTOLD = 0.1
"""Points of Delta below which a method is said not to differ from ``bn``."""
BOLD = "Bold: best, or within one sd of it; a table of variants has none where no row can be told from `bn`."
GAIN_SHOW = number(2, signed=True)


def variants_table(group: Group) -> TextTable:
    """A row per variant: metrics at the last step, Delta, Delta over ``bn``, best step."""
    columns = [metric_column(m, LAST, metric_head(m)) for m in group.metrics]
    columns += [
        delta_column(LAST, DELTA),
        delta_column(LAST, DELTA_BN, over_bn=True),
        delta_column(BEST, "Δ best† (%) ↑"),
    ]
    return _unranked(
        group, make_table(group, _title(group), columns, (*_lead(group), *reading(group), BOLD), collapse=True)
    )


def gains_table(group: Group) -> TextTable:
    """A row per variant: every task's relative gain over ``base``."""
    columns = [_gain_column(m.task, f"{m.task} gain (%) ↑") for m in group.metrics]
    columns.append(delta_column(LAST, DELTA))
    return _unranked(group, make_table(group, f"{_title(group)}: gain of each task over base", columns))


def _unranked(group: Group, table: TextTable) -> TextTable:
    """``table`` without bold where no variant can be told from ``bn``: there, the last digits would decide."""
    distances = [abs(row.mean(LAST_DELTA_BN)) for row in variants(group)]
    if not distances or not max(distances) < UNTOLD:
        return table
    rows = tuple(
        tuple(replace(e, emphasis="" if e.emphasis == "bold" else e.emphasis) for e in row) for row in table.rows
    )
    return replace(table, rows=rows)


def single_task_table(group: Group) -> TextTable:
    """Two rows per method: all tasks at once, and one network per task."""
    columns = [metric_column(m, LAST, metric_head(m)) for m in group.metrics]
    columns += [
        delta_column(LAST, DELTA),
        Column(DELTA_MULTI, "Δ, multi base (%) ↑", GAIN_SHOW, 1),
        delta_column(LAST, DELTA_BN, over_bn=True),
    ]
    return make_table(group, _title(group), columns, (*group.notes, *reading(group), BOLD), collapse=True)


NOISE_PANELS = (
    (LAST_DELTA, "Δ, noisy base (%) ↑"),
    (DELTA_CLEAN, "Δ, clean base (%) ↑"),
    (LAST_DELTA_BN, DELTA_BN),
)


def noise_tables(parts: Sequence[PartResult]) -> list[TextTable]:
    """Per pair and block: a row per method, a column per noise scale, for each way to take Delta."""
    tables = []
    for group in parts[0].groups:
        scales = [(part.key, part.group(group)) for part in parts]
        found = [(key, g) for key, g in scales if g is not None]
        for measure, head in NOISE_PANELS:
            rows = [(Entry(row.label), *(_across(g, row.label, measure) for _, g in found)) for row in group.rows]
            notes = (*_lead(group), *_noise_reading(found)) if measure == LAST_DELTA else ()
            tables.append(
                TextTable(
                    f"{_title(group)}: {head}", ("method, at noise scale", *(k for k, _ in found)), tuple(rows), notes
                )
            )
    return tables


def _across(group: Group, label: str, measure: str) -> Entry:
    row = next((r for r in group.rows if r.label == label), None)
    if row is None:
        return Entry(MISSING)
    text, sd = GAIN_SHOW(row.mean(measure)), row.sd(measure)
    spread = f" ± {GAIN_SHOW(sd).lstrip('+')}" if np.isfinite(sd) and text != MISSING else ""
    gone = f" ✗{len(row.collapsed_steps)}/{len(row.runs)}" if row.collapsed_steps else ""
    return Entry(text + spread + gone)


def _noise_reading(found: Sequence[tuple[str, Group]]) -> tuple[str, ...]:
    rows = [(f"{row.label} at {key}", row) for key, group in found for row in variants(group)]
    return tuple(_against_bn(rows)) + _seeds(found[0][1])


def _gain_column(task: str, head: str) -> Column:
    return Column(f"{GAIN}{task}", head, GAIN_SHOW, 1)


def _title(group: Group) -> str:
    return f"{group.pair}, {group.block.title}"


def _lead(group: Group) -> tuple[str, ...]:
    return (*((f"{group.source_line}.",) if group.source_line else ()), *group.notes)


def variants(group: Group) -> list[Row]:
    """The rows that are not controls."""
    return [row for row in group.rows if row.method not in CONTROLS]


def reading(group: Group) -> tuple[str, ...]:
    """What the numbers allow one to say: distance from ``bn``, and spread over seeds against differences of rows."""
    rows = [(row.label, row) for row in variants(group)]
    return (*_against_bn(rows), *_between(rows), *_joint(group), *_seeds(group))


def _against_bn(rows: Sequence[tuple[str, Row]]) -> list[str]:
    known = [(label, row) for label, row in rows if np.isfinite(row.mean(LAST_DELTA_BN))]
    if not known:
        return []
    label, far = max(known, key=lambda item: abs(item[1].mean(LAST_DELTA_BN)))
    distance, sd = far.mean(LAST_DELTA_BN), far.sd(LAST_DELTA_BN)
    spread = f" ± {sd:.2f}" if np.isfinite(sd) else ""
    said = f"Farthest from `bn`: {label}, by {GAIN_SHOW(distance)}{spread} points of Δ."
    if abs(distance) < UNTOLD:
        said += (
            " No row can be told from `bn`, which updates no weight: Δ here is the gain of re-estimated "
            "batch-norm statistics, and the order of the rows says nothing about the method."
        )
    return [said]


def _between(rows: Sequence[tuple[str, Row]]) -> list[str]:
    known = [(label, row) for label, row in rows if np.isfinite(row.mean(LAST_DELTA_BN))]
    if len(known) < 2:
        return []
    means = [row.mean(LAST_DELTA_BN) for _, row in known]
    if max(map(abs, means)) < UNTOLD:
        return []  # said already
    spreads = [row.sd(LAST_DELTA_BN) for _, row in known]
    between, within = max(means) - min(means), max((s for s in spreads if np.isfinite(s)), default=float("nan"))
    if not np.isfinite(within):
        return [
            f"Best and worst row differ by {between:.2f} points of Δ−bn; "
            "with one seed there is no spread to hold it against."
        ]
    verdict = "less than that spread: no ranking" if between <= within else "more than that spread"
    return [
        f"Best and worst row differ by {between:.2f} points of Δ−bn, the largest sd of a row over seeds is "
        f"{within:.2f}: {verdict}."
    ]


def _joint(group: Group) -> tuple[str, ...]:
    if group.block.training != "joint":
        return ()
    return (
        "Joint training: each row's network was trained with its own branch, while `base` and `bn` use the network "
        "trained without one, so Δ and Δ−bn also contain what the branch did to the source network.",
    )


def _seeds(group: Group) -> tuple[str, ...]:
    seeds = {s.run.replicate for row in group.rows for s in row.runs if row.method == BASE}
    what = "Mean ± sample sd over seeds" if len(seeds) > 1 else "One seed, hence no spread"
    return (f"{what}; last step unless said; † sees target labels.",)
