"""Many methods or pairs, split into figures that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from ttt_bench.report.groups import Group
from ttt_bench.report.runs import BASE, BN

T = TypeVar("T")
MOST_ROWS = 24
"""Methods in one figure: as many as have a colour and line of their own."""
MOST_PAIRS = 12
"""Pairs in one figure."""


def portions(groups: Sequence[Group], pairs: int = MOST_PAIRS, rows: int = MOST_ROWS) -> list[list[Group]]:
    """Some groups of one block as the content of one figure each: at most so many pairs, and rows in all of them.

    The parts are of about equal size, in the order of the tables. The controls stand in each, for they are what the
    others are compared with.
    """
    return [part for some in evenly(list(groups), pairs) for part in _by_rows(some, rows)]


def _by_rows(groups: Sequence[Group], most: int) -> list[list[Group]]:
    methods = {row.label: row.method for group in groups for row in group.rows}
    if len(methods) <= most:
        return [list(groups)]
    first = {method: label for label, method in reversed(methods.items())}
    controls = {first[name] for name in (BASE, BN) if name in first}
    others = [label for label in methods if label not in controls]
    parts = []
    for some in evenly(others, most - len(controls)):
        kept = controls.union(some)
        of_part = [replace(g, rows=tuple(row for row in g.rows if row.label in kept)) for g in groups]
        parts.append([group for group in of_part if group.rows])
    return parts


def evenly(items: list[T], most: int) -> list[list[T]]:
    """The fewest runs of at most ``most`` items, as equal in length as can be; one empty run of nothing."""
    count = max(1, -(-len(items) // most))
    ends = [round(len(items) * place / count) for place in range(count + 1)]
    return [items[start:end] for start, end in pairwise(ends)]
