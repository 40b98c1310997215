"""Do the tasks improve together? Step variance, dynamic time warping, cosine similarity.

All take oriented trajectories (see ``metrics.gains``): (tasks, steps), higher is better, step 0 included.
The paper's equations (S4T, appendix B) are prose only; each convention stated here is a definite choice.
NaN in gives NaN out. One task alone is in step with itself: variance 0, warping 0, similarity 1.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-9
"""In units of the trajectories (percent): below it two values tie and a trajectory is flat."""
PLATEAU = 0.1
"""Share of its range within which a task has come to its top."""


def peak_steps(trajectories: npt.ArrayLike, steps: npt.ArrayLike | None = None, plateau: float = 0.0) -> Array:
    """The step at which each task is best.

    Args:
        trajectories: (tasks, steps) oriented.
        steps: (steps,) adaptation step of each column; 0, 1, 2, ... when not given.
        plateau: share of a task's range below its maximum that counts as the maximum.

    Returns:
        (tasks,) the earliest step within reach of the maximum; NaN for a task with a NaN.

    Raises:
        ValueError: ``trajectories`` is not two-dimensional or ``steps`` does not fit it.
    """
    return _peaks(_rows(trajectories), steps, plateau)


def step_variance(trajectories: npt.ArrayLike, steps: npt.ArrayLike | None = None) -> float:
    """Population variance of the tasks' peak steps (S4T eq. 9), in squared adaptation steps.

    Args:
        trajectories: (tasks, steps) oriented.
        steps: (steps,) adaptation step of each column, so that a sparse grid stays comparable.
    """
    return float(step_variance_many(_rows(trajectories)[None], steps)[0])


def plateau_step_variance(
    trajectories: npt.ArrayLike, steps: npt.ArrayLike | None = None, share: float = PLATEAU
) -> float:
    """``step_variance`` with each peak where the task first comes within ``share`` of its range of the top.

    The arg-max on a plateau is arbitrary (edges are almost flat); this variant is not.
    """
    return float(step_variance_many(_rows(trajectories)[None], steps, share)[0])


def step_variance_many(trajectories: npt.ArrayLike, steps: npt.ArrayLike | None = None, plateau: float = 0.0) -> Array:
    """``step_variance`` of many runs at once, or with a share of the range ``plateau_step_variance``.

    Args:
        trajectories: (runs, tasks, steps) oriented.
        steps: (steps,) adaptation step of each column.
        plateau: see ``peak_steps``.

    Returns:
        (runs,).
    """
    variance: Array = _peaks(_runs(trajectories), steps, plateau).var(axis=-1)
    return variance


def dtw(trajectories: npt.ArrayLike, normalise: bool = True) -> float:
    """Mean over task pairs of the dynamic-time-warping distance (S4T eq. 10); lower is more in step.

    The whole path from (0, 0) to (S, S) with moves (1, 0), (0, 1), (1, 1), no window, cost ``|difference|``
    and the path's SUM. (``tslearn.metrics.dtw`` is the root of summed squares; hence the precomputed costs.)

    Args:
        trajectories: (tasks, steps) oriented.
        normalise: stretch each task to [0, 1] first; a flat task becomes all 0. Otherwise in percent, where
            the task with the largest effect decides alone.
    """
    rows = _rows(trajectories)
    # The warping of a NaN never ends in some versions of tslearn, so it must not get there.
    if not np.isfinite(rows).all():
        return float("nan")
    if normalise:
        rows = _unit_range(rows)
    pairs = list(combinations(rows, 2))
    return float(np.mean([_warp(a, b) for a, b in pairs])) if pairs else 0.0


def dtw_many(trajectories: npt.ArrayLike, normalise: bool = True) -> Array:
    """``dtw`` of many runs at once, equal to it within rounding (held by a test against tslearn).

    One programme over all runs and task pairs together: a report of 1,000 cells takes a tenth of a second here,
    where importing and compiling tslearn alone takes ten.

    Args:
        trajectories: (runs, tasks, steps) oriented.
        normalise: see ``dtw``.

    Returns:
        (runs,).
    """
    stack = _runs(trajectories)
    found = np.full(len(stack), np.nan)
    known = np.isfinite(stack).all(axis=(1, 2))
    rows = stack[known]
    if normalise and len(rows):
        rows = _unit_range(rows.reshape(-1, rows.shape[-1])).reshape(rows.shape)
    first, second = np.triu_indices(stack.shape[1], k=1)
    if not len(first):
        found[known] = 0.0
        return found
    # Runs and pairs last, so that each of the S x S cells is one operation on contiguous numbers.
    a, b = (rows[:, place].transpose(2, 0, 1) for place in (first, second))  # (steps, runs, pairs)
    reach = np.cumsum(np.abs(a[0] - b), axis=0)
    for here in a[1:]:
        cost = np.abs(here - b)
        above, reach = reach, np.empty_like(reach)
        reach[0] = above[0] + cost[0]
        either = np.minimum(above[1:], above[:-1])
        for j in range(1, len(b)):
            reach[j] = cost[j] + np.minimum(either[j - 1], reach[j - 1])
    found[known] = reach[-1].mean(axis=-1)
    return found


def cosine_similarity(trajectories: npt.ArrayLike) -> float:
    """Mean over task pairs of the cosine between their step-to-step changes (S4T eq. 11-12), in [-1, 1].

    Two flat tasks count as 1 and a flat one against a moving one as 0, so no adaptation at all is trivially
    in step: read it beside Delta.
    """
    return float(cosine_similarity_many(_rows(trajectories)[None])[0])


def cosine_similarity_many(trajectories: npt.ArrayLike) -> Array:
    """``cosine_similarity`` of many runs at once.

    Args:
        trajectories: (runs, tasks, steps) oriented.

    Returns:
        (runs,).
    """
    rows = _runs(trajectories)
    known = np.isfinite(rows).all(axis=(1, 2))
    if rows.shape[1] == 1:
        return np.where(known, 1.0, np.nan)
    changes = np.diff(rows, axis=-1)
    # Scaled by the largest entry first: squares of very small or large changes would leave the float range.
    size = np.abs(changes).max(axis=-1, initial=0.0)
    flat = size <= TOLERANCE
    scaled = changes / np.where(flat, 1.0, size)[..., None]
    length = np.linalg.norm(scaled, axis=-1)
    unit = np.where(flat[..., None], 0.0, scaled / np.where(flat, 1.0, length)[..., None])
    cosine = np.where(flat[:, :, None] & flat[:, None, :], 1.0, unit @ unit.swapaxes(-1, -2))
    first, second = np.triu_indices(rows.shape[1], k=1)
    return np.where(known, np.clip(cosine[:, first, second], -1.0, 1.0).mean(axis=-1), np.nan)


def _peaks(rows: Array, steps: npt.ArrayLike | None, plateau: float) -> Array:
    """(..., tasks, steps) -> (..., tasks), see ``peak_steps``."""
    axis = np.asarray(np.arange(rows.shape[-1]) if steps is None else steps, dtype=np.float64)
    if axis.shape != rows.shape[-1:]:
        raise ValueError(f"{axis.shape} steps for trajectories of shape {rows.shape}")
    top, bottom = rows.max(axis=-1, keepdims=True), rows.min(axis=-1, keepdims=True)
    within = rows >= top - plateau * (top - bottom) - TOLERANCE
    return np.where(np.isfinite(rows).all(axis=-1), axis[within.argmax(axis=-1)], np.nan)


def _runs(trajectories: npt.ArrayLike) -> Array:
    stack = np.asarray(trajectories, dtype=np.float64)
    if stack.ndim != 3 or 0 in stack.shape[1:]:
        raise ValueError(f"trajectories must be (runs, tasks, steps), not {stack.shape}")
    return np.where(np.isfinite(stack), stack, np.nan)


def _rows(trajectories: npt.ArrayLike) -> Array:
    rows = np.asarray(trajectories, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"trajectories must be (tasks, steps) with at least one of each, not {rows.shape}")
    return np.where(np.isfinite(rows), rows, np.nan)


def _unit_range(rows: Array) -> Array:
    low = rows.min(axis=1, keepdims=True)
    span = rows.max(axis=1, keepdims=True) - low
    flat = span <= TOLERANCE
    return np.where(flat, 0.0, (rows - low) / np.where(flat, 1.0, span))


def _warp(a: Array, b: Array) -> float:
    if np.array_equal(a, b):
        return 0.0  # spares un-adapted runs the seconds that importing tslearn takes
    from tslearn.metrics import dtw_path_from_metric

    # Naming the backend matters: left to itself tslearn guesses it from the printed matrix, each time.
    _, cost = dtw_path_from_metric(np.abs(a[:, None] - b[None, :]), metric="precomputed", be="numpy")
    return float(cost)
