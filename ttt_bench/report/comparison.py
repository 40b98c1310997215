"""Our numbers beside the paper's, where a pair has the paper's name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ttt_bench.report.entries import (
    MISSING,
    Column,
    Entry,
    TextTable,
    delta_column,
    entry,
    metric_column,
    metric_head,
    number,
)
from ttt_bench.report.groups import Group, Row, make_groups
from ttt_bench.report.paper import MAIN_TABLES, METRIC_OF, SINGLE_TABLE, paper_order, paper_results
from ttt_bench.report.runs import Block, Run, chosen_metrics
from ttt_bench.report.selection import SELECTIONS

_NOTE = (
    "Paper: S4T (ICCV 2025), Tables 1 and 7 (`single`: Table 8 for S4T), as printed, each method at its best "
    "step by Δ on the target labels; its RMSE is taken to be the aligned one, and so is ours here. Our Δ is "
    "recomputed from these metrics. Other data, other source training: a reading aid, not a test."
)


def paper_tables(
    groups: Sequence[Group], runs: Sequence[Run], fixed_step: int | None
) -> dict[tuple[Block, str], list[TextTable]]:
    """Block and pair of a group -> its comparison with the paper; nothing for pairs that the paper does not have."""
    known = {group.pair for group in groups if len(paper_results(group.pair))}
    if not known:
        return {}
    metrics = chosen_metrics(METRIC_OF.values())
    rescored = make_groups([r for r in runs if r.pair in known], metrics, fixed_step, paper_order())
    return {(group.block, group.pair): [_table(group)] for group in rescored}


def _table(group: Group) -> TextTable:
    printed = paper_results(group.pair)
    wanted = printed["table"].isin(MAIN_TABLES)
    if group.block.protocol == "single":
        single = printed["table"] == SINGLE_TABLE
        wanted = (wanted & (printed["method_id"] != "s4t")) | single
        printed = printed.assign(method_id=printed["method_id"].str.replace(" (single)", "", regex=False))
    printed = printed[wanted]
    last, best = SELECTIONS[0], SELECTIONS[-1]
    ours: list[tuple[Column, Column, str]] = [
        (metric_column(m, last, "last"), metric_column(m, best, "best†"), m.id) for m in group.metrics
    ]
    ours.append((delta_column(last, "last"), delta_column(best, "best†"), ""))
    heads = [metric_head(m) for m in group.metrics] + ["Δ (%) ↑"]
    head = ["method"]
    for title in heads:
        head += [f"{title}: ours, last", "ours, best†", "paper"]
    names = list(dict.fromkeys([*(row.label for row in group.rows), *printed["method_id"]]))
    rows = {row.label: row for row in group.rows}
    body = tuple(_row(name, rows.get(name), ours, printed) for name in names)
    return TextTable("Beside the paper", tuple(head), body, (_NOTE,))


def _row(
    name: str, row: Row | None, ours: Sequence[tuple[Column, Column, str]], printed: pd.DataFrame
) -> tuple[Entry, ...]:
    entries = [Entry(name)]
    method = row.method if row is not None else name
    theirs = printed[printed["method_id"] == method]
    for last, best, id in ours:
        for column in (last, best):
            entries.append(Entry(MISSING) if row is None else entry(row, column, wins=False))
        chosen = theirs[theirs["metric_id"] == id] if id else theirs[theirs["metric"] == "delta"]
        entries.append(_printed_entry(chosen, signed=not id))
    return tuple(entries)


def _printed_entry(chosen: pd.DataFrame, signed: bool) -> Entry:
    if chosen.empty:
        return Entry(MISSING)
    mean, sd = float(chosen["mean"].iloc[0]), float(chosen["std"].iloc[0])
    text = number(2, signed=True)(mean) if signed else f"{mean:g}"
    return Entry(f"{text} ± {sd:.2g}" if np.isfinite(sd) else text)
