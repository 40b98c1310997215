"""One run against its controls: gains, Delta, synchronisation and cost, at each selection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ttt_bench.identity import identity
from ttt_bench.metrics import cosine_similarity_many, delta, dtw_many, gains, step_variance_many
from ttt_bench.metrics.sync import PLATEAU
from ttt_bench.report.runs import Run
from ttt_bench.report.selection import SELECTIONS, select_columns
from ttt_bench.tasks import Metric

Array = npt.NDArray[np.float64]
NAN = float("nan")

COLLAPSE_DELTA = -50.0
"""Percent. A run that ends this far below the un-adapted model has collapsed: no mean should hide it."""


@dataclass(frozen=True)
class Scored:
    """A run beside the un-adapted model on the same images."""

    run: Run
    base: Run | None
    """The un-adapted run of the same images and seed; None leaves gains and Delta NaN."""
    metrics: tuple[Metric, ...]
    """One per task, the ones in Delta."""
    base_values: Array
    """(tasks,) of the base at its step 0."""
    gains: Array
    """(tasks, steps) percent."""
    delta: Array
    """(steps,) percent."""
    columns: dict[str, int | None]
    """Selection id -> column of the trajectory."""
    measures: dict[str, float] = field(default_factory=dict)
    """Everything a table may show; see ``measure``."""

    @cached_property
    def collapsed_step(self) -> int | None:
        """First step of a collapse: the one the run itself noticed, or where Delta fell for good.

        A run whose Delta ends at or below ``COLLAPSE_DELTA`` has collapsed at the first step from which it
        stayed there.
        """
        if self.run.collapsed_step is not None:
            return self.run.collapsed_step
        alive = np.flatnonzero(~(self.delta <= COLLAPSE_DELTA))
        first = int(alive[-1]) + 1 if alive.size else 0
        return int(self.run.steps[first]) if first < len(self.run.steps) else None

    @property
    def base_hash(self) -> str:
        """Identifies the numbers Delta was taken against; travels with each Delta."""
        if self.base is None:
            return ""
        return identity([[m.id, repr(float(v))] for m, v in zip(self.metrics, self.base_values, strict=True)])


def score(run: Run, base: Run | None, metrics: tuple[Metric, ...], fixed_step: int) -> Scored:
    """Gains and Delta of one run over its base, and the columns that the selections read."""
    nothing = np.full(len(run.steps), np.nan)
    values = np.array([run.values.get(m.id, nothing) for m in metrics]).reshape(len(metrics), len(run.steps))
    higher = [m.higher_is_better for m in metrics]
    usable = base is not None and base.steps[0] == 0 and len(metrics) > 0
    against = np.full(len(metrics), np.nan)
    if base is not None and usable:
        against = np.array([base.values.get(m.id, [np.nan])[0] for m in metrics])
    change = gains(values, against, higher)
    improvement = delta(values, against, higher) if usable else nothing
    columns = select_columns(run.steps, run.loss, improvement, fixed_step)
    return Scored(run, base if usable else None, metrics, against, change, improvement, columns)


def measure(scored: Scored, bn: Scored | None) -> dict[str, float]:
    """Every number a table may show of one run, but for ``synchronisation``.

    Keys: ``<selection>/step``, ``<selection>/<metric id>``, ``<selection>/delta``, ``<selection>/delta_bn``
    (Delta minus the ``bn`` control's at the same selection and seed) and ``cost/*``.
    """
    found: dict[str, float] = {}
    for selection in SELECTIONS:
        column = scored.columns[selection.id]
        where = None if bn is None else bn.columns[selection.id]
        if column is None:
            continue
        found[f"{selection.id}/step"] = float(scored.run.steps[column])
        found[f"{selection.id}/delta"] = float(scored.delta[column])
        for metric in scored.metrics:
            known = scored.run.values.get(metric.id)
            found[f"{selection.id}/{metric.id}"] = NAN if known is None else float(known[column])
        if bn is not None and where is not None:
            found[f"{selection.id}/delta_bn"] = float(scored.delta[column] - bn.delta[where])
    return found | _cost(scored)


def synchronisation(scored: Sequence[Scored]) -> list[dict[str, float]]:
    """``sv``, ``sv_plateau``, ``dtw``, ``dtw_per_step``, ``dtw_percent``, ``cs`` and ``range/<task>`` of each run.

    Relative to the run's own step 0, as the definition has it: independent of any other cell. Empty for a run
    that collapsed, and where there is one task, which has nothing to be in step with.
    """
    found: list[dict[str, float]] = [{} for _ in scored]
    alike: dict[tuple[tuple[Metric, ...], tuple[float, ...]], list[int]] = defaultdict(list)
    for place, item in enumerate(scored):
        if len(item.metrics) > 1 and item.collapsed_step is None:
            alike[item.metrics, tuple(item.run.steps.tolist())].append(place)
    for (metrics, steps), places in alike.items():
        oriented = _own_gains([scored[place].run for place in places], metrics)
        warping = dtw_many(oriented)
        columns = {
            "sv": step_variance_many(oriented, steps),
            "sv_plateau": step_variance_many(oriented, steps, PLATEAU),
            "dtw": warping,
            "dtw_per_step": warping / len(steps),
            "dtw_percent": dtw_many(oriented, normalise=False),
            "cs": cosine_similarity_many(oriented),
            **{f"range/{m.task}": span for m, span in zip(metrics, np.ptp(oriented, axis=-1).T, strict=True)},
        }
        for place, *measures in zip(places, *(column.tolist() for column in columns.values()), strict=True):
            found[place] = dict(zip(columns, measures, strict=True))
    return found


def stream_delta(scored: Scored, end: int) -> tuple[Array, Array]:
    """Delta along the target stream, each point over a trailing window.

    Args:
        scored: of ``online``; any other has no stream.
        end: 0: before the updates on a batch; 1: after them.

    Returns:
        (positions,) batches seen and (positions,) percent; both empty where there is no base to compare with.
    """
    empty = np.empty(0), np.empty(0)
    if scored.base is None:
        return empty
    values, against = [], []
    for metric in scored.metrics:
        own, base = scored.run.window.get(metric.id), scored.base.window.get(metric.id)
        if own is None or base is None or len(own) != len(base):
            return empty
        values.append(own[:, end])
        against.append(base[:, 0])
    if not values:
        return empty
    higher = np.repeat([metric.higher_is_better for metric in scored.metrics], len(values[0]))
    change = gains(np.concatenate(values), np.concatenate(against), higher)
    return scored.run.window_ends, change.reshape(len(values), -1).mean(axis=0)


def _own_gains(runs: Sequence[Run], metrics: Sequence[Metric]) -> Array:
    """(runs, tasks, steps) percent over each run's own step 0."""
    values = np.array([run.values[m.id] for run in runs for m in metrics])
    change = gains(values, values[:, 0], [m.higher_is_better for m in metrics] * len(runs))
    return change.reshape(len(runs), len(metrics), -1)


def _cost(scored: Scored) -> dict[str, float]:
    run, base = scored.run, scored.base
    forward = NAN if base is None else base.eval_seconds
    summary = run.summary

    def known(key: str) -> float:
        return NAN if summary.get(key) is None else float(summary[key])

    return {
        "cost/seconds": run.seconds,
        "cost/relative": run.seconds / forward if forward > 0 else NAN,
        "cost/forwards": run.forwards,
        "cost/backwards": run.backwards,
        "cost/spent": float(run.spent[-1]),
        "cost/latency": run.latency,
        "cost/memory": known("peak_memory_bytes"),
        "cost/parameters": known("parameters_total"),
        "cost/updated": known("parameters_updated"),
    }
