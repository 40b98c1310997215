"""Which tables a report has. What stands in them: ``entries``; how they are written: ``markup``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ttt_bench.report.entries import (
    DELTA,
    DELTA_BN,
    MISSING,
    SYNC_COLUMNS,
    Column,
    Entry,
    TextTable,
    bold,
    collapsed_text,
    delta_column,
    entry,
    interval_text,
    metric_column,
    metric_head,
    number,
    standing_entries,
    sync_columns,
    tie_mark,
)
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.scoring import COLLAPSE_DELTA
from ttt_bench.report.selection import SELECTIONS, Selection
from ttt_bench.report.uncertainty import DELTA as LAST_DELTA
from ttt_bench.report.uncertainty import DELTA_BN as LAST_DELTA_BN

COST_COLUMNS = (
    Column("cost/seconds", "s / step", number(4)),
    Column("cost/relative", "× base forward", number(2)),
    Column("cost/forwards", "forwards", number(2)),
    Column("cost/backwards", "backwards", number(2)),
    Column("cost/spent", "x, all steps", number(1)),
    Column("cost/latency", "ms / image", number(1, 1000.0)),
    Column("cost/memory", "peak MiB", number(0, 2.0**-20)),
    Column("cost/parameters", "parameters (M)", number(2, 1e-6)),
    Column("cost/updated", "updated (M)", number(3, 1e-6)),
)


def _tested(group: Group, row: Row, column: Column, made: Entry) -> Entry:
    """The interval in the place of the spread over seeds, where it is known, and the mark of a tie."""
    known = group.uncertainty.rows.get(row.label)
    mark = tie_mark(group, row, column)
    if column.key == LAST_DELTA_BN and known is not None and (said := interval_text(known.over_bn)):
        return Entry(f"{column.show(row.mean(column.key))} {said}", made.emphasis)
    return Entry(made.text + mark, made.emphasis) if mark else made


def make_table(
    group: Group, title: str, columns: Sequence[Column], notes: Sequence[str] = (), collapse: bool = False
) -> TextTable:
    """Rows of a group against some columns, led by the method and the number of runs in each mean."""
    won = [bold(group, column) for column in columns]
    lead = ("method", "n", "collapsed") if collapse else ("method", "n")
    rows = []
    for place, row in enumerate(group.rows):
        cells = [Entry(row.label), Entry(str(len(row.survivors)))]
        if collapse:
            cells.append(Entry(collapsed_text(row)))
        cells += [_tested(group, row, c, entry(row, c, place in wins)) for c, wins in zip(columns, won, strict=True)]
        rows.append(tuple(cells))
    return TextTable(title, (*lead, *(c.head for c in columns)), tuple(rows), tuple(notes))


def selection_head(group: Group, selection: Selection) -> str:
    """A selection's title, the fixed one with its step."""
    return f"fixed @{group.fixed_step}" if selection.id == "fixed" else selection.title


def main_table(group: Group) -> TextTable:
    """Each task at the last step, Delta under the four selections, Delta over ``bn``, synchronisation."""
    last = SELECTIONS[0]
    columns = [metric_column(m, last, metric_head(m)) for m in group.metrics]
    columns += [delta_column(s, f"Δ {selection_head(group, s)} (%) ↑") for s in SELECTIONS]
    columns += [delta_column(last, DELTA_BN, over_bn=True), *sync_columns(group)]
    notes = (*((group.source_line + ".",) if group.source_line else ()), *group.notes, *standing_notes(group))
    within = "" if group.budget is None else f" within {group.budget:g}x"
    table = make_table(group, f"Tasks at the last step{within}", columns, notes, collapse=True)
    if not group.uncertainty.rows:
        return table
    rows = tuple((*cells, *standing_entries(group, row)) for cells, row in zip(table.rows, group.rows, strict=True))
    return replace(table, head=(*table.head, "p against bn (Holm)", "seeds needed"), rows=rows)


def selection_tables(group: Group) -> list[TextTable]:
    """For each task's metric, Delta and Delta over ``bn``: the four selections side by side."""
    tables = []
    for metric in group.metrics:
        columns = [metric_column(metric, s, selection_head(group, s)) for s in SELECTIONS]
        tables.append(make_table(group, f"{metric_head(metric)}, by selection", columns))
    for title, over_bn in ((DELTA, False), (DELTA_BN, True)):
        columns = [delta_column(s, selection_head(group, s), over_bn) for s in SELECTIONS]
        columns += [
            Column(f"{s.id}/step", f"step, {selection_head(group, s)}", number(1), oracle=s.oracle)
            for s in SELECTIONS
            if not over_bn
        ]
        tables.append(make_table(group, f"{title}, by selection", columns))
    return tables


def sync_table(group: Group) -> TextTable:
    """Synchronisation, with the variants and each task's range."""
    columns = [
        delta_column(SELECTIONS[0], "Δ last (%) ↑"),
        SYNC_COLUMNS[0],
        Column("sv_plateau", "SV, plateau ↓", number(1), -1, controls_win=False),
        SYNC_COLUMNS[1],
        Column("dtw_per_step", "DTW / steps ↓", number(3), -1, controls_win=False),
        Column("dtw_percent", "DTW (%) ↓", number(1), -1, controls_win=False),
        SYNC_COLUMNS[2],
        *(Column(f"range/{m.task}", f"range {m.task} (%)", number(2)) for m in group.metrics),
    ]
    note = (
        "Over the adaptation steps, relative to each run's own step 0. DTW stretches each task to [0, 1], so "
        "a small range means mostly noise; DTW (%) does not. Standing still is trivially in step, so `base` "
        "cannot win here."
    )
    return make_table(group, "Do the tasks move together?", columns, (note,))


def cost_table(group: Group) -> TextTable:
    """What an update costs."""
    note = (
        "s / step: median wall time of one update, evaluation excluded; forwards and backwards in batches. x, all "
        "steps: forwards + 2 × backwards of all updates up to the last step, per adapted image, in forwards of it "
        "through the encoder; `--budget 2x` reads every run within so much. ms / image: those updates and one "
        "prediction, by their median wall times."
    )
    return make_table(group, "Cost of one update", COST_COLUMNS, (note,))


def paired_table(group: Group) -> TextTable:
    """Every method against the leader in Delta at the last step, over the seeds both have."""
    key = LAST_DELTA
    able = [r for r in group.rows if not r.collapsed_steps and np.isfinite(r.mean(key))]
    if not able:
        return TextTable("Paired by seed", ("method", "n", "behind the leader"), (), ("No Δ to compare.",))
    leader = max(able, key=lambda row: row.mean(key))
    show = number(2, signed=True)
    rows = []
    for row in group.rows:
        if row is leader:
            continue
        gaps = paired_differences(leader, row, key)
        mean = show(float(gaps.mean())) if gaps.size else MISSING
        spread = f" ± {show(float(gaps.std(ddof=1))).lstrip('+')}" if gaps.size > 1 and mean != MISSING else ""
        ahead = f"{int((gaps > 0).sum())}/{gaps.size}" if gaps.size else MISSING
        rows.append((Entry(row.label), Entry(str(gaps.size)), Entry(mean + spread), Entry(ahead)))
    head = ("method", "n", "leader ahead by (Δ points)", "seeds won by the leader")
    return TextTable(f"Paired by seed: {leader.label} against the others, last step", head, tuple(rows))


def paired_differences(a: Row, b: Row, key: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """``a`` minus ``b`` in one measure, over the seeds at which both survived."""
    other = {s.run.replicate: s.measures.get(key, np.nan) for s in b.survivors}
    shared = [s.measures.get(key, np.nan) - other[s.run.replicate] for s in a.survivors if s.run.replicate in other]
    gaps = np.array(shared, dtype=np.float64)
    return gaps[np.isfinite(gaps)]


def standing_notes(group: Group) -> tuple[str, ...]:
    """What every main table says about itself."""
    rules = "; ".join(f"{selection_head(group, s)}: {s.rule}" for s in SELECTIONS)
    return (
        "Mean ± sample sd (n − 1) over n runs. Δ: mean relative gain of the tasks over the un-adapted `base` "
        f"on the same images and seed, from {', '.join(m.id for m in group.metrics)}. "
        "Δ−bn: minus the `bn` control's Δ, same seed and selection.",
        f"Selections: {rules}.",
        f"Collapsed: loss or predictions not finite, one class over the whole target, or Δ at or below "
        f"{COLLAPSE_DELTA:.0f} % to the end.",
        "† sees target labels: an upper bound, never bold. Bold in columns without a test: best, or within one sd.",
        *group.uncertainty.notes,
    )
