"""Trajectories of a table's rows on one axis of steps: means over seeds, and differences to ``bn`` seed by seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ttt_bench.report.groups import Group, Row
from ttt_bench.report.page.model import Curve, Series
from ttt_bench.report.scoring import Scored

Array = npt.NDArray[np.float64]
DELTA_DIGITS = 3


def series(values: npt.ArrayLike, digits: int) -> Series:
    """Numbers for JSON, which knows no NaN: rounded, None where not finite."""
    array = np.asarray(values, dtype=np.float64).ravel()
    return tuple(v if f else None for v, f in zip(np.round(array, digits).tolist(), np.isfinite(array), strict=True))


def steps_of(group: Group) -> Array:
    """(steps,) every step that some run of the group was scored at."""
    found = [scored.run.steps for row in group.rows for scored in row.runs]
    return np.unique(np.concatenate(found)) if found else np.empty(0)


def measured(group: Group) -> list[tuple[Callable[[Scored], Array], int]]:
    """What a row's curves are of: each metric in its unit, then Delta; with the digits worth keeping."""
    return [*((_metric(m.id, m.scale), m.digits + 2) for m in group.metrics), (lambda s: s.delta, DELTA_DIGITS)]


def _metric(id: str, scale: float) -> Callable[[Scored], Array]:
    return lambda s: s.run.values.get(id, np.full(len(s.run.steps), np.nan)) * scale


def row_curves(group: Group, row: Row, steps: Array) -> tuple[Curve, ...]:
    """Means over the survivors; over the collapsed runs where nothing else is left."""
    runs = row.survivors or row.runs
    return tuple(_curve([_aligned(s, read, steps) for s in runs], digits) for read, digits in measured(group))


def over_bn(group: Group, row: Row, steps: Array) -> tuple[Curve, ...]:
    """The same minus the control's on the same images and seed; empty where a seed has none."""
    pairs = [(s, group.controls.get(s.run.surroundings)) for s in row.survivors]
    known = [(own, other) for own, other in pairs if other is not None]
    if not known or len(known) < len(pairs):
        return ()
    return tuple(
        _curve([_aligned(own, read, steps) - _aligned(other, read, steps) for own, other in known], digits)
        for read, digits in measured(group)
    )


def row_work(row: Row, steps: Array) -> Series:
    """What the updates up to each step cost, mean over the runs that the curves are of; see ``loading.work_until``."""
    spent = [_aligned(s, lambda scored: scored.run.spent, steps) for s in row.survivors or row.runs]
    return series(np.mean(spent, axis=0), 3)


def best_steps(group: Group, curves: Sequence[Curve], steps: Array) -> Series:
    """The first step at which each metric's mean trajectory is best."""
    found: list[float] = []
    for metric, curve in zip(group.metrics, curves, strict=False):
        values = np.array([np.nan if v is None else v for v in curve.mean])
        if not metric.higher_is_better:
            values = -values
        found.append(float(steps[int(np.nanargmax(values))]) if np.isfinite(values).any() else np.nan)
    return series(found, 1)


def _aligned(scored: Scored, read: Callable[[Scored], Array], steps: Array) -> Array:
    """(steps,) NaN at a step that this run was not scored at."""
    if len(scored.run.steps) == len(steps):
        return read(scored)  # steps increase, so as many of them are the same ones
    aligned = np.full(len(steps), np.nan)
    aligned[np.searchsorted(steps, scored.run.steps)] = read(scored)
    return aligned


def _curve(rows: Sequence[Array], digits: int) -> Curve:
    matrix = np.array(rows)
    spread = matrix.std(axis=0, ddof=1) if len(matrix) > 1 else np.empty(0)
    return Curve(series(matrix.mean(axis=0), digits), series(spread, digits))
