"""Which tables a report has, what stands in them, and what is bold. How they are written: ``text``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE
from ttt_bench.report.scoring import COLLAPSE_DELTA
from ttt_bench.report.selection import SELECTIONS, Selection
from ttt_bench.report.uncertainty import DELTA as LAST_DELTA
from ttt_bench.report.uncertainty import DELTA_BN as LAST_DELTA_BN
from ttt_bench.statistics.resampling import Interval
from ttt_bench.tasks import TASKS, Metric

Emphasis = Literal["", "bold", "oracle"]

MISSING = "–"
DELTA, DELTA_BN = "Δ (%) ↑", "Δ−bn (points) ↑"


@dataclass(frozen=True)
class Entry:
    """One cell of a table."""

    text: str
    emphasis: Emphasis = ""


@dataclass(frozen=True)
class TextTable:
    """A finished table, in no particular markup."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One measure as a column."""

    key: str
    head: str
    show: Callable[[float], str]
    better: Literal[-1, 0, 1] = 0
    """Whether higher (1) or lower (-1) wins; 0: nobody wins, nothing is bold."""
    oracle: bool = False
    controls_win: bool = True
    """False where doing nothing is trivially best."""


def number(digits: int, scale: float = 1.0, signed: bool = False) -> Callable[[float], str]:
    """A formatter that writes NaN as a dash and never ``-0.00``."""

    def show(value: float) -> str:
        if not np.isfinite(value):
            return MISSING
        rounded = round(value * scale, digits) + 0.0
        return f"{rounded:+.{digits}f}" if signed else f"{rounded:.{digits}f}"

    return show


def metric_column(metric: Metric, selection: Selection, head: str) -> Column:
    """A task's metric at a selection."""
    return Column(
        f"{selection.id}/{metric.id}",
        head,
        number(metric.digits, metric.scale),
        1 if metric.higher_is_better else -1,
        selection.oracle,
    )


def delta_column(selection: Selection, head: str, over_bn: bool = False) -> Column:
    """Delta, or Delta minus the ``bn`` control's, at a selection."""
    key = f"{selection.id}/{'delta_bn' if over_bn else 'delta'}"
    return Column(key, head, number(2, signed=True), 1, selection.oracle)


SYNC_COLUMNS = (
    Column("sv", "SV ↓", number(1), -1, controls_win=False),
    Column("dtw", "DTW ↓", number(2), -1, controls_win=False),
    Column("cs", "CS ↑", number(2), 1, controls_win=False),
)
"""Whether the tasks move together."""
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


TESTED = (LAST_DELTA, LAST_DELTA_BN)
"""Keys of the columns whose differences were tested."""


def bold(group: Group, column: Column) -> set[int]:
    """Positions of the rows to print bold: of a tested column its tie group, otherwise ``winners``."""
    tied = group.uncertainty.tied
    if column.key not in TESTED or not tied:
        return winners(group.rows, column)
    return {p for p, row in enumerate(group.rows) if row.label in tied and np.isfinite(row.mean(column.key))}


def winners(rows: Sequence[Row], column: Column) -> set[int]:
    """Positions of the best mean, and all within one sd (the best row's) of it.

    A difference that the column's digits do not show is a tie as well. A row with a collapsed run cannot win:
    its mean is over the survivors. Nor can an oracle column be won.
    """
    if column.oracle or column.better == 0:
        return set()
    able = {
        place: column.better * row.mean(column.key)
        for place, row in enumerate(rows)
        if not row.collapsed_steps and np.isfinite(row.mean(column.key)) and (column.controls_win or row.method != BASE)
    }
    if not able:
        return set()
    best = max(able, key=lambda place: able[place])
    spread = rows[best].sd(column.key)
    reach = able[best] - (spread if np.isfinite(spread) else 0.0) - 1e-12
    shown = column.show(rows[best].mean(column.key))
    return {
        place for place, value in able.items() if value >= reach or column.show(rows[place].mean(column.key)) == shown
    }


def entry(row: Row, column: Column, wins: bool) -> Entry:
    """``mean ± sd`` of a row in a column."""
    mean, sd = column.show(row.mean(column.key)), row.sd(column.key)
    # A spread is never signed, whatever the mean is.
    text = f"{mean} ± {column.show(sd).lstrip('+')}" if mean != MISSING and np.isfinite(sd) else mean
    return Entry(text, "oracle" if column.oracle else "bold" if wins else "")


def interval_text(known: Interval | None, digits: int = 2) -> str:
    """``[low, high]``; empty where there is none."""
    show = number(digits, signed=True)
    if known is None or not np.isfinite([known.low, known.high]).all():
        return ""
    return f"[{show(known.low)}, {show(known.high)}]"


def tie_mark(group: Group, row: Row, column: Column) -> str:
    """What tells a tie group of several where bold does not show."""
    tied = group.uncertainty.tied
    return " ≈" if column.key == LAST_DELTA and len(tied) > 1 and row.label in tied else ""


def p_text(p: float) -> str:
    """``0.012``, ``<0.001``; a dash where nothing was compared."""
    return MISSING if not np.isfinite(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _tested(group: Group, row: Row, column: Column, made: Entry) -> Entry:
    """The interval in the place of the spread over seeds, where it is known, and the mark of a tie."""
    known = group.uncertainty.rows.get(row.label)
    mark = tie_mark(group, row, column)
    if column.key == LAST_DELTA_BN and known is not None and (said := interval_text(known.over_bn)):
        return Entry(f"{column.show(row.mean(column.key))} {said}", made.emphasis)
    return Entry(made.text + mark, made.emphasis) if mark else made


def standing_entries(group: Group, row: Row) -> tuple[Entry, Entry]:
    """Holm's p against ``bn``, and the seeds needed."""
    known = group.uncertainty.rows.get(row.label)
    if known is None:
        return Entry(MISSING), Entry(MISSING)
    needed = MISSING if known.seeds_needed is None else str(known.seeds_needed)
    return Entry(p_text(known.p_holm)), Entry(needed)


def collapsed_text(row: Row) -> str:
    """``1/3 @ 12``: how many runs collapsed, and at which steps."""
    if not row.collapsed_steps:
        return f"0/{len(row.runs)}"
    return f"{len(row.collapsed_steps)}/{len(row.runs)} @ {', '.join(map(str, row.collapsed_steps))}"


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


def metric_head(metric: Metric) -> str:
    """``Depth RMSE (m) ↓``."""
    return metric.label if metric.says_task else f"{TASKS[metric.task].title} {metric.label}"


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


def sync_columns(group: Group) -> tuple[Column, ...]:
    """``SYNC_COLUMNS``; none where there is one task, which has nothing to be in step with."""
    return SYNC_COLUMNS if len(group.metrics) > 1 else ()


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
