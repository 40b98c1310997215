"""How sure a table is: intervals of Delta and of Delta over ``bn`` at the last step, and what they decide.

Within a seed, every run draws the same batches; over the seeds, every row draws the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ttt_bench.identity import identity
from ttt_bench.metrics import gains
from ttt_bench.report.runs import Run
from ttt_bench.statistics.comparison import holm, seeds_needed, tie_group
from ttt_bench.statistics.resampling import (
    RESAMPLES,
    SEED,
    Interval,
    draw_weights,
    interval,
    resampled_mean,
    scores_of_draws,
)
from ttt_bench.statistics.verdict import Standing, verdict

if TYPE_CHECKING:
    from ttt_bench.report.groups import Group, Row
    from ttt_bench.report.scoring import Scored

Array = npt.NDArray[np.float64]
DELTA, DELTA_BN = "last/delta", "last/delta_bn"


@dataclass(frozen=True)
class Certainty:
    """What is known of one row."""

    delta: Interval
    over_bn: Interval | None
    """None of ``base`` and ``bn``, and where the ``bn`` control is missing."""
    p_holm: float
    """Of "equal to bn", adjusted for the methods of the table; NaN where it was not compared."""
    seeds_needed: int | None
    tied: bool
    """Whether it is the best row in Delta, or cannot be told from it."""


@dataclass(frozen=True)
class Uncertainty:
    """What is known of one table."""

    rows: Mapping[str, Certainty]
    """By label; without the rows that have no interval."""
    runs: int
    """Seeds behind it: of the row that has most."""
    verdict: str
    """In words."""
    notes: tuple[str, ...] = ()

    @property
    def tied(self) -> frozenset[str]:
        """The tie group's labels; empty where nothing was compared."""
        return frozenset(label for label, row in self.rows.items() if row.tied)

    def standings(self) -> list[Standing]:
        """Every row that was compared with ``bn``."""
        return [
            Standing(label, row.over_bn, row.p_holm, row.seeds_needed)
            for label, row in self.rows.items()
            if row.over_bn is not None
        ]


UNKNOWN = Uncertainty({}, 0, "")


def assess(group: Group) -> Uncertainty:
    """Bootstrap one table. Seeded by what the runs are, not by which others there are: made again, it says the same."""
    fitted = [metric.id for metric in group.metrics if not metric.additive]
    if fitted or not group.metrics:
        why = f"{', '.join(fitted)} is fitted on each batch alone, so batches cannot be resampled" if fitted else "no Δ"
        return Uncertainty({}, 0, f"No verdict: no interval ({why}).", (f"No interval: {why}.",))
    from threadpoolctl import threadpool_limits

    # Thousands of small products: threads would wait for each other longer than one takes, most where others compute.
    with threadpool_limits(1, "blas"):
        draws = _Draws(group)
    able = {row.label: row for row in group.rows if draws.of(row) is not None}
    best, tied = _best(able, draws)
    over = {label: draws.over_bn(row) for label, row in able.items() if not row.is_control}
    # A mean over the survivors of a collapse does not describe its method.
    compared = {label: found for label, found in over.items() if found is not None and not able[label].collapsed_steps}
    adjusted = holm({label: found.p for label, found in compared.items()})
    rows = {}
    for label, row in able.items():
        values = row.sample(DELTA)
        rows[label] = Certainty(
            delta=interval(
                float(values.mean()), draws.mean([draws.delta[s.run.cell_id] for s in row.survivors]), len(values)
            ),
            over_bn=over.get(label),
            p_holm=adjusted.get(label, math.nan),
            seeds_needed=seeds_needed(list(row.sample(DELTA_BN))) if label in compared else None,
            tied=label in tied,
        )
    runs = max((len(row.survivors) for row in able.values()), default=0)
    standings = [Standing(k, v, adjusted[k], rows[k].seeds_needed) for k, v in compared.items()]
    return Uncertainty(rows, runs, _said(group, standings, runs), _notes(group, draws, runs, best))


class _Draws:
    """Resampled Deltas of a table's runs."""

    def __init__(self, group: Group) -> None:
        self.metrics = group.metrics
        self.delta: dict[str, Array] = {}
        self.groups = 0
        """Groups of batches of the longest run."""
        self.batches = 0
        weights: dict[tuple[str, int], Array] = {}
        base: dict[tuple[str, str, int], Array] = {}
        scored = [s for row in group.rows for s in row.survivors]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            for item in scored:
                found = self._of_run(item, weights, base)
                if found is not None:
                    self.delta[item.run.cell_id] = found
        self.controls = group.controls

    def _of_run(
        self, item: Scored, weights: dict[tuple[str, int], Array], base: dict[tuple[str, str, int], Array]
    ) -> Array | None:
        def drawn(groups: int) -> Array:
            key = (item.run.surroundings, groups)
            if key not in weights:
                weights[key] = draw_weights(groups, RESAMPLES, _seeded(item.run))
            return weights[key]

        found = resampled_delta(item, drawn, base)
        if found is not None:
            self.groups = max(self.groups, *(len(item.run.sums[metric.id]) for metric in self.metrics))
            self.batches = max(self.batches, *(len(item.run.stream[metric.id]) for metric in self.metrics))
        return found

    def mean(self, runs: Sequence[Array]) -> Array:
        """Over seeds that are drawn again: the same draws for the same number of seeds."""
        return resampled_mean(runs, np.random.default_rng([SEED, 0]))

    def of(self, row: Row) -> list[Array] | None:
        """Draws of each surviving run; None if one has none."""
        found = [self.delta.get(s.run.cell_id) for s in row.survivors]
        known = [draws for draws in found if draws is not None]
        return known if known and len(known) == len(found) else None

    def over_bn(self, row: Row) -> Interval | None:
        """Delta minus the control's, over the seeds of the row; None if a control is missing."""
        controls = [self.controls.get(s.run.surroundings) for s in row.survivors]
        pairs = []
        for item, control in zip(row.survivors, controls, strict=True):
            other = None if control is None else self.delta.get(control.run.cell_id)
            if other is None:
                return None
            pairs.append(self.delta[item.run.cell_id] - other)
        return interval(row.mean(DELTA_BN), self.mean(pairs), len(pairs))

    def difference(self, a: Row, b: Row) -> Interval | None:
        """``a`` minus ``b`` in Delta over the seeds that both have; None without any."""
        other = {s.run.replicate: s for s in b.survivors}
        both = [(s, other[s.run.replicate]) for s in a.survivors if s.run.replicate in other]
        if not both:
            return None
        estimate = float(np.mean([x.measures[DELTA] - y.measures[DELTA] for x, y in both]))
        pairs = [self.delta[x.run.cell_id] - self.delta[y.run.cell_id] for x, y in both]
        return interval(estimate, self.mean(pairs), len(pairs))


def resampled_delta(
    item: Scored, weights: Callable[[int], Array], base: dict[tuple[str, str, int], Array]
) -> Array | None:
    """Delta of a run over its base at the last step, in every resample of their batches.

    Args:
        item: the run.
        weights: groups of batches -> (resamples, groups), the same for all runs that are to be paired.
        base: resampled metrics of the bases that were met, by cell, metric and groups; gets those of this one.

    Returns:
        (resamples,) percent; None where there is no base or no metric, or one cannot be resampled.
    """
    against, values, references = item.base, [], []
    if against is None or not item.metrics:
        return None
    for metric in item.metrics:
        sums, other = item.run.sums.get(metric.id), against.sums.get(metric.id)
        if sums is None or other is None or len(sums) != len(other):
            return None
        drawn, place = weights(len(sums)), (against.cell_id, metric.id, len(sums))
        if place not in base:
            base[place] = scores_of_draws(metric.compute, other[:, 0], drawn)
        values.append(scores_of_draws(metric.compute, sums[:, 1], drawn))
        references.append(base[place])
    resamples = len(values[0])
    higher = np.repeat([metric.higher_is_better for metric in item.metrics], resamples)
    change = gains(np.concatenate(values), np.concatenate(references), higher)
    return np.asarray(change.reshape(-1, resamples).mean(axis=0))


def _seeded(run: Run) -> np.random.Generator:
    return np.random.default_rng([SEED, int(identity(run.surroundings), 16)])


def _best(able: Mapping[str, Row], draws: _Draws) -> tuple[str, frozenset[str]]:
    """The best row in Delta at the last step, and its tie group."""
    racing = {label: row for label, row in able.items() if not row.collapsed_steps and math.isfinite(row.mean(DELTA))}
    if not racing:
        return "", frozenset()
    best = max(racing, key=lambda label: racing[label].mean(DELTA))
    against = {label: draws.difference(racing[best], row) for label, row in racing.items() if label != best}
    known = {label: found.p for label, found in against.items() if found is not None}
    return best, tie_group(best, known)


def _said(group: Group, standings: Sequence[Standing], runs: int) -> str:
    gone = [f"{r.label} ({len(r.collapsed_steps)} of {len(r.runs)} runs)" for r in group.rows if r.collapsed_steps]
    missing = [
        row.label
        for row in group.rows
        if not row.is_control and not row.collapsed_steps and row.label not in {s.name for s in standings}
    ]
    parts = [verdict(standings, runs)]
    parts += [f"Collapsed: {', '.join(gone)}."] if gone else []
    parts += [f"Not compared, a control on the same images is missing: {', '.join(missing)}."] if missing else []
    return " ".join(parts)


def _notes(group: Group, draws: _Draws, runs: int, best: str) -> tuple[str, ...]:
    if not best:
        return ()
    notes = [
        f"[low, high]: 95 % interval of a paired bootstrap, {RESAMPLES:,} draws of blocks of consecutive batches"
        + (" and of the seeds" if runs > 1 else "; one seed, so it says how sure this is within this run")
        + ". p (Holm): of no difference from `bn`, adjusted for the methods of this table. Seeds needed: for 80 % "
        "power at the observed difference, from three seeds on.",
        f"Bold in Δ last and Δ−bn, and ≈ where there are several: best ({best}) and all not told from it at 5 %.",
    ]
    if draws.groups < draws.batches:
        notes.append(f"{draws.batches:,} batches were merged into {draws.groups} groups of consecutive ones.")
    return tuple(notes)
