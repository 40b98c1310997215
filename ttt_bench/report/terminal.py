"""The report on a terminal: one compact table per pair, as wide as the terminal, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ttt_bench.report.entries import (
    MISSING,
    Column,
    Emphasis,
    TextTable,
    bold,
    delta_column,
    metric_column,
    number,
    sync_columns,
    tie_mark,
)
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.segments import segment_tables
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.report.uncertainty import DELTA, DELTA_BN

if TYPE_CHECKING:
    from ttt_bench.report.result import Report

WIDTH = 80
"""Columns where there is no terminal: the narrowest that people use."""
LONGEST_NAME = 18


def terminal_table(report: Report, width: int = WIDTH) -> Table:
    """The main numbers for a terminal, one table per pair under its heading; what is found in words: ``ending``.

    Where a table would be wider than ``width``, columns are left out, what matters least first; names never.
    """
    grid = Table.grid()
    same: set[str] = set()
    for group in report.groups:
        grid.add_row(Text(f"{group.pair}  ({group.block.title})", style="bold"))
        if group.accident_line:
            grid.add_row(Text(group.accident_line, style="yellow"))
        if group.source_line:
            grid.add_row(Text(group.source_line, style="dim"))
        if group.budget_line:
            grid.add_row(Text(group.budget_line, style="yellow"))
        columns, alike = _telling(group, _columns(group))
        same |= alike
        grid.add_row(_fitting(group, columns, width))
        for table in segment_tables(group)[:1]:
            grid.add_row(plain_table(table))
        if said := _variants_line(group):
            grid.add_row(Text(said, style="dim"))
        if group.uncertainty.verdict and len(report.groups) > 1:
            grid.add_row(Text(group.uncertainty.verdict))
    for line in (*_legend(report.groups), *sorted(same)):
        grid.add_row(Text(line, "dim"))
    return grid


def _legend(groups: Sequence[Group]) -> list[str]:
    metrics = dict.fromkeys((m.task, m.title, m.unit) for group in groups for m in group.metrics)
    said = "; ".join(f"{task}: {title}" + (f" ({unit})" if unit else "") for task, title, unit in metrics)
    oracle = "† best step by target labels (an oracle). "
    return [
        *([f"{said}. Tasks at the last step."] if said else []),
        f"{oracle}Bold: best, or not to be told from it: ≈ at 5 % in Δ last and Δ−bn, within one sd elsewhere.",
    ]


def _columns(group: Group) -> list[Column]:
    last, fixed, _, best = SELECTIONS
    columns = [metric_column(m, last, f"{m.task}{'↑' if m.higher_is_better else '↓'}") for m in group.metrics]
    columns += [
        delta_column(last, "Δ last"),
        delta_column(fixed, f"Δ @{group.fixed_step}"),
        delta_column(best, "Δ best†"),
        delta_column(last, "Δ−bn", over_bn=True),
        *([Column(INTERVAL, "95 %", number(1, signed=True))] if group.uncertainty.standings() else []),
    ]
    return [*columns, *sync_columns(group)]


def _telling(group: Group, columns: Sequence[Column]) -> tuple[list[Column], set[str]]:
    """The columns without those that say in every row what Delta at the last step says, and a line about each."""
    first = next(column for column in columns if column.key == DELTA)
    said = [first.show(row.mean(first.key)) for row in group.rows]
    alike = {
        column.head
        for column in columns
        if column.key in ("fixed/delta", "best/delta")
        and [column.show(row.mean(column.key)) for row in group.rows] == said
    }
    lines = {f"{head}: the same as {first.head} in every row of {group.pair}." for head in alike}
    return [column for column in columns if column.head not in alike], lines


INTERVAL = f"{DELTA_BN}_interval"
"""Key of a column that is no measure: the interval of the one before it."""
DISPENSABLE = (INTERVAL, "dtw", "cs", "sv", "fixed/delta", "best/delta")
"""Keys of the columns that a narrow terminal goes without, the first one first; then the tasks, the last one first."""


def _fitting(group: Group, columns: Sequence[Column], width: int) -> Table:
    kept = list(columns)
    metrics = [column.key for column in columns if column.key.removeprefix("last/") in {m.id for m in group.metrics}]
    going = [key for key in (*DISPENSABLE, *reversed(metrics)) if any(column.key == key for column in columns)]
    table = _table(group, kept)
    while going and _width(table) > width:
        key = going.pop(0)
        kept = [column for column in kept if column.key != key]
        table = _table(group, kept)
    return table


EMPHASIS: dict[Emphasis, str] = {"": "", "bold": "bold", "oracle": "bright_black italic"}
"""How a terminal shows what stands out."""


def plain_table(table: TextTable) -> Table:
    """A table of texts under its title, as it stands; without its notes."""
    shown = Table(title=table.title, title_justify="left", title_style="dim", box=box.SIMPLE_HEAD,
                  padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)  # fmt: skip
    for place, head in enumerate(table.head):
        shown.add_column(head, justify="right" if place else "left", no_wrap=not place)
    for row in table.rows:
        shown.add_row(*(Text(entry.text, EMPHASIS[entry.emphasis]) for entry in row))
    return shown


def _interval(group: Group, row: Row) -> Text:
    known = group.uncertainty.rows.get(row.label)
    if known is None or known.over_bn is None or not np.isfinite(known.over_bn.low):
        return Text(MISSING)
    return Text(f"{known.over_bn.low:+.1f}..{known.over_bn.high:+.1f}")


def _width(table: Table) -> int:
    console = Console(width=10_000)
    return Measurement.get(console, console.options, table).maximum


def _table(group: Group, columns: Sequence[Column]) -> Table:
    narrow = _is_long(group)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    names = [_name(row, narrow) for row in group.rows]
    # A name is copied into commands: it is never broken.
    table.add_column("method", no_wrap=True, min_width=max([8, *(name.cell_len for name in names)]))
    for column in columns:
        table.add_column(column.head.removesuffix(" ↑").removesuffix(" ↓"), justify="right", no_wrap=True)
    won = [bold(group, column) for column in columns]
    for place, row in enumerate(group.rows):
        cells = [_cell(row, c, place in wins, tie_mark(group, row, c)) for c, wins in zip(columns, won, strict=True)]
        table.add_row(names[place], *cells)
    return table


def _is_long(group: Group) -> bool:
    """Whether the names of variants leave no room for numbers, so that their settings are named once, below."""
    return any(len(row.label) > LONGEST_NAME for row in group.rows)


def _variants_line(group: Group) -> str:
    names = {row.method: ", ".join(name for name, _ in row.variant) for row in group.rows if row.variant}
    return "; ".join(f"{method}(…): {said}" for method, said in names.items()) if _is_long(group) else ""


def _name(row: Row, narrow: bool) -> Text:
    gone, name = len(row.collapsed_steps), row.short if narrow else row.label
    return Text(name) if not gone else Text(f"{name} ✗{gone}/{len(row.runs)}", "yellow")


def _cell(row: Row, column: Column, wins: bool, mark: str) -> Text:
    text = column.show(row.mean(column.key))
    if column.key == DELTA and np.isfinite(row.sd(column.key)):
        text += f"±{column.show(row.sd(column.key)).lstrip('+')}"
    return Text(text + mark, EMPHASIS["oracle" if column.oracle else "bold" if wins else ""])
