"""What stands in a table: entries, the measures that are columns, and what of them is bold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE
from ttt_bench.report.selection import Selection
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


def metric_head(metric: Metric) -> str:
    """``Depth RMSE (m) ↓``."""
    return metric.label if metric.says_task else f"{TASKS[metric.task].title} {metric.label}"


def sync_columns(group: Group) -> tuple[Column, ...]:
    """``SYNC_COLUMNS``; none where there is one task, which has nothing to be in step with."""
    return SYNC_COLUMNS if len(group.metrics) > 1 else ()
