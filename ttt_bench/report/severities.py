"""Image classification over the severities of corruption, mean over the kinds: for table, figure and page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt_bench.report.entries import MISSING, Entry, TextTable, number
from ttt_bench.report.groups import Group
from ttt_bench.report.kinds import Series, by_target, level, share_of_images
from ttt_bench.report.runs import BN, Block
from ttt_bench.tasks import Metric

SIGNED, PLAIN = number(1, signed=True), number(1)


@dataclass(frozen=True)
class Severities:
    """One source and one target that was corrupted at two severities or more."""

    block: Block
    source: str
    clean: str
    """The target without its corruption."""
    kinds: tuple[str, ...]
    """Those that every severity has: a mean over others would be of another difficulty."""
    severities: tuple[int, ...]
    """Rising."""
    metric: Metric
    levels: Mapping[str, npt.NDArray[np.float64]]
    """Label -> (severities,) percent of images at the last step, mean over kinds and seeds; NaN where one lacks it."""
    groups: tuple[Group, ...]
    """The tables that the numbers are from."""


def over_severities(groups: Sequence[Group]) -> list[Severities]:
    """What there is to show over severities, target by target.

    The severities are those of the kind that has the most, the kinds all that have each of them.
    """
    found = (_over(*key, series) for key, series in by_target(groups).items())
    return [each for each in found if len(each.severities) > 1]


def _over(block: Block, source: str, clean: str, series: Series) -> Severities:
    known = {kind: {s for s in series if kind in series[s]} for kinds in series.values() for kind in kinds}
    most = max(known.values(), key=len)
    severities = sorted(most)
    shared = [kind for kind in series[severities[0]] if known[kind] >= most]
    members = [series[s][kind] for s in severities for kind in shared]
    metric = share_of_images(members[0])
    assert metric is not None  # `by_target` takes no other tables
    levels = {
        label: np.array([np.mean([level(series[s][kind], label) for kind in shared]) for s in severities])
        for label in dict.fromkeys(row.label for group in members for row in group.rows)
    }
    return Severities(block, source, clean, tuple(shared), tuple(severities), metric, levels, tuple(members))


def severity_tables(groups: Sequence[Group]) -> list[TextTable]:
    """A table for each of ``over_severities``: rows methods, columns severities."""
    return [severity_table(found) for found in over_severities(groups)]


def severity_table(found: Severities) -> TextTable:
    """Methods against severities, and the gain over ``bn`` at both ends."""
    first, last = found.severities[0], found.severities[-1]
    rows = []
    for label, values in found.levels.items():
        gained = values - found.levels[BN] if BN in found.levels else np.full(len(values), np.nan)
        known = label != BN and bool(np.isfinite(gained).any())
        ends = f"{SIGNED(gained[0])} / {SIGNED(gained[-1])}" if known else MISSING
        rows.append((Entry(label), *(Entry(PLAIN(value)) for value in values), Entry(ends)))
    head = ("method", *(f"severity {s}" for s in found.severities), f"over bn at {first} / {last}")
    title = f"{found.source} → {found.clean} over severities: {found.block.title}"
    return TextTable(title, head, tuple(rows), _notes(found))


def _notes(found: Severities) -> tuple[str, ...]:
    kinds, runs = len(found.kinds), max(len(row.runs) for group in found.groups for row in group.rows)
    return (
        f"{found.metric.label}, mean over {kinds} kind{'s' * (kinds > 1)} ({', '.join(found.kinds)}) and {runs} "
        f"seed{'s' * (runs > 1)}, last step.",
        *dict.fromkeys(f"{row.label}: {len(row.collapsed_steps)} of {len(row.runs)} runs collapsed on {group.title}."
          for group in found.groups for row in group.rows if row.collapsed_steps),
    )  # fmt: skip
