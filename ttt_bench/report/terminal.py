"""The report on a terminal: one compact table per pair, at most 100 columns wide."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ttt_bench.report.groups import Group, Row
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.report.tables import Column, delta_column, metric_column, sync_columns, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttt_bench.report.build import Report

WIDTH = 100


def terminal_table(report: Report, width: int = WIDTH) -> Table:
    """The main numbers for a terminal, one table per pair under its heading; unread cells are named first.

    A terminal narrower than ``WIDTH`` goes without the synchronisation columns.
    """
    return groups_table(report.groups, report.warnings, sync=width >= WIDTH)


def groups_table(groups: Sequence[Group], warnings: Sequence[str] = (), sync: bool = True) -> Table:
    """A grid of warnings, headings and tables."""
    grid = Table.grid()
    for line in warnings:
        grid.add_row(Text(f"WARNING: {line}", style="yellow"))
    for group in groups:
        grid.add_row(Text(f"{group.pair}  ({group.block.title})", style="bold"))
        if group.accident_line:
            grid.add_row(Text(group.accident_line, style="yellow"))
        if group.source_line:
            grid.add_row(Text(group.source_line, style="dim"))
        grid.add_row(_table(group, sync))
    grid.add_row(
        Text(
            "† best step by target labels (an oracle). Tasks at the last step. Bold: best within one sd.",
            "dim",
        )
    )
    return grid


def plain_lines(groups: Sequence[Group]) -> tuple[str, ...]:
    """The same without colours."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, force_terminal=False)
    console.print(groups_table(groups))
    written = console.file
    assert isinstance(written, StringIO)
    return tuple(line.rstrip() for line in written.getvalue().splitlines())


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
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("method", overflow="fold", min_width=8, max_width=18)
    columns = _columns(group, sync)
    for column in columns:
        table.add_column(column.head.removesuffix(" ↑").removesuffix(" ↓"), justify="right", no_wrap=True)
    won = [winners(group.rows, column) for column in columns]
    for place, row in enumerate(group.rows):
        cells = [_cell(row, c, place in wins) for c, wins in zip(columns, won, strict=True)]
        table.add_row(_name(row), *cells)
    return table


def _name(row: Row) -> Text:
    gone = len(row.collapsed_steps)
    return Text(row.label) if not gone else Text(f"{row.label} ✗{gone}/{len(row.runs)}", "yellow")


def _cell(row: Row, column: Column, wins: bool) -> Text:
    text = column.show(row.mean(column.key))
    if column.key == "last/delta" and np.isfinite(row.sd(column.key)):
        text += f"±{column.show(row.sd(column.key)).lstrip('+')}"
    return Text(text, "bright_black italic" if column.oracle else "bold" if wins else "")
