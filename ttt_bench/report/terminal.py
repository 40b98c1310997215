"""The report on a terminal: one compact table per pair, at most 100 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from ttt_bench.report.groups import Group, Row
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.report.tables import Column, bold, delta_column, metric_column, sync_columns, tie_mark

if TYPE_CHECKING:
    from ttt_bench.report.result import Report

WIDTH = 100
LONGEST_NAME = 18


def terminal_table(report: Report, width: int = WIDTH) -> Table:
    """The main numbers for a terminal, one table per pair under its heading.

    A terminal narrower than ``WIDTH`` goes without the synchronisation columns.
    """
    grid = Table.grid()
    sync = width >= WIDTH
    for group in report.groups:
        grid.add_row(Text(f"{group.pair}  ({group.block.title})", style="bold"))
        if group.accident_line:
            grid.add_row(Text(group.accident_line, style="yellow"))
        if group.source_line:
            grid.add_row(Text(group.source_line, style="dim"))
        grid.add_row(_table(group, sync))
        if said := _variants_line(group):
            grid.add_row(Text(said, style="dim"))
        if group.uncertainty.verdict:
            grid.add_row(Text(group.uncertainty.verdict))
    if report.verdict:
        grid.add_row(Text(report.verdict, style="bold"))
    grid.add_row(
        Text(
            "† best step by target labels (an oracle). Tasks at the last step. Bold: best, or not to be told from it: "
            "≈ at 5 % in Δ last and Δ−bn, within one sd elsewhere.",
            "dim",
        )
    )
    return grid


def _columns(group: Group, sync: bool) -> list[Column]:
    last, fixed, _, best = SELECTIONS
    columns = [metric_column(m, last, f"{m.task}{'↑' if m.higher_is_better else '↓'}") for m in group.metrics]
    columns += [
        delta_column(last, "Δ last"),
        delta_column(fixed, f"Δ @{group.fixed_step}"),
        delta_column(best, "Δ best†"),
        delta_column(last, "Δ−bn", over_bn=True),
    ]
    return [*columns, *sync_columns(group)] if sync else columns


def _table(group: Group, sync: bool) -> Table:
    narrow = _is_long(group)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    names = [_name(row, narrow) for row in group.rows]
    # A name is copied into commands: it is never broken.
    table.add_column("method", no_wrap=True, min_width=max([8, *(name.cell_len for name in names)]))
    columns = _columns(group, sync)
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
    if column.key == "last/delta" and np.isfinite(row.sd(column.key)):
        text += f"±{column.show(row.sd(column.key)).lstrip('+')}"
    return Text(text + mark, "bright_black italic" if column.oracle else "bold" if wins else "")
