"""What holds over all pairs: one table per protocol, recipe, training and size, and the numbers of its heat map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ttt_bench.report.entries import MISSING, Entry, TextTable, delta_column, winners
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import BASE, Block
from ttt_bench.report.selection import SELECTIONS

_DELTA = delta_column(SELECTIONS[0], "Δ (%) ↑")


def by_block(groups: Sequence[Group]) -> dict[Block, list[Group]]:
    """The groups that differ in nothing but the pair, together."""
    found: dict[Block, list[Group]] = defaultdict(list)
    for group in groups:
        found[group.block].append(group)
    return found


def pair_names(groups: Sequence[Group]) -> list[str]:
    """How pairs are called in one picture: by their targets alone where all have the same source."""
    titles = [group.title for group in groups]
    parts = [title.partition(" → ") for title in titles]
    return [target for _, _, target in parts] if len({source for source, _, _ in parts}) == 1 < len(parts) else titles


def gain_matrix(
    groups: Sequence[Group],
) -> tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Delta at the last step of every method on every pair.

    Returns:
        The labels of the rows, without ``base``; (labels, groups) percent, mean over the seeds, NaN where there is
        none; and (labels, groups) whether every run there collapsed.
    """
    labels = list(dict.fromkeys(row.label for group in groups for row in group.rows if row.method != BASE))
    place = {label: number for number, label in enumerate(labels)}
    matrix = np.full((len(labels), len(groups)), np.nan)
    gone = np.zeros(matrix.shape, dtype=bool)
    for column, group in enumerate(groups):
        for row in group.rows:
            if row.method != BASE:
                matrix[place[row.label], column] = row.mean(_DELTA.key)
                gone[place[row.label], column] = not row.survivors
    return labels, matrix, gone


def overview_table(groups: Sequence[Group]) -> TextTable | None:
    """Each method over all pairs of one block; None for a single pair, whose own table says it all."""
    if len(groups) < 2:
        return None
    labels, matrix, _ = gain_matrix(groups)
    best = [{group.rows[place].label for place in winners(group.rows, _DELTA)} for group in groups]
    lost = dict.fromkeys(labels, 0)
    for row in (row for group in groups for row in group.rows if row.label in lost):
        lost[row.label] += len(row.collapsed_steps)
    rows = []
    for label, gains in zip(labels, matrix, strict=True):
        known = np.flatnonzero(np.isfinite(gains))
        wins = sum(label in names for names in best)
        rows.append((label, str(len(known)), *_spread(gains, known, groups), str(wins), str(lost[label])))
    head = ("method", "pairs", "mean Δ", "median Δ", "worst Δ", "on", "best Δ", "on", "bold on", "collapsed runs")
    note = "Δ at the last step, percent over base; bold on: pairs where it is the best or within one sd of it."
    return TextTable("Over all pairs", head, tuple(tuple(map(Entry, row)) for row in rows), (note,))


def _spread(gains: npt.NDArray[np.float64], known: npt.NDArray[np.int64], groups: Sequence[Group]) -> tuple[str, ...]:
    if not known.size:
        return (MISSING,) * 6
    worst, best = known[np.argmin(gains[known])], known[np.argmax(gains[known])]
    of = [
        _DELTA.show(float(value)) for value in (gains[known].mean(), np.median(gains[known]), gains[worst], gains[best])
    ]
    return of[0], of[1], of[2], groups[worst].title, of[3], groups[best].title
