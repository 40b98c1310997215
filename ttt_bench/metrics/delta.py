"""Gain of each task over its baseline, and their mean: S4T's Delta_TTT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

UNDEFINED_BELOW = 1e-12
"""A relative change against a baseline this small is undefined."""


def gains(
    values: npt.ArrayLike, base: npt.ArrayLike, higher_is_better: Sequence[bool] | npt.NDArray[np.bool_]
) -> Array:
    """Oriented relative change against ``base``: positive is better whatever the direction of the metric.

    Args:
        values: (tasks,) or (tasks, steps) metric values, in any unit.
        base: (tasks,) values of the un-adapted model, in the same units.
        higher_is_better: (tasks,) direction of each metric.

    Returns:
        Percent, shaped like ``values``. A task whose ``|base|`` is below 1e-12 is NaN, and NaN stays NaN.

    Raises:
        ValueError: the three do not have the same number of tasks.

    Source: S4T appendix B, Delta's own summand.
    """
    measured = np.asarray(values, dtype=np.float64)
    reference = np.asarray(base, dtype=np.float64)
    direction = np.where(np.asarray(higher_is_better, dtype=bool), 1.0, -1.0)
    if measured.ndim not in (1, 2) or reference.shape != measured.shape[:1] or direction.shape != reference.shape:
        raise ValueError(
            f"values {measured.shape}, base {reference.shape} and higher_is_better {direction.shape} "
            "do not describe the same tasks"
        )
    if measured.ndim == 2:
        reference, direction = reference[:, None], direction[:, None]
    size = np.abs(reference)
    defined = size >= UNDEFINED_BELOW  # False for NaN
    change = 100.0 * direction * (measured - reference) / np.where(defined, size, 1.0)
    return np.where(defined, change, np.nan)


def delta(
    values: npt.ArrayLike, base: npt.ArrayLike, higher_is_better: Sequence[bool] | npt.NDArray[np.bool_]
) -> Array:
    """Delta_TTT in percent: the mean of the tasks' gains.

    Args:
        values: (tasks,) or (tasks, steps) metric values.
        base: (tasks,) values of the un-adapted model.
        higher_is_better: (tasks,) direction of each metric.

    Returns:
        () or (steps,). An undefined gain makes Delta NaN; it is never dropped from the mean.

    Raises:
        ValueError: the shapes disagree, or there are no tasks.

    Source: S4T section 4.1; checked against its Tables 1 and 7.
    """
    change = gains(values, base, higher_is_better)
    if change.shape[0] == 0:
        raise ValueError("Delta of no tasks is undefined")
    return np.asarray(change.mean(axis=0))
