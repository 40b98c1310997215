"""From stored sufficient statistics to scores: what more than one task needs. Numpy only.

Every estimator maps statistics of shape (batches, steps, ...) to one value per step over the whole set,
so that any step, selection or subset of batches can be scored after the fact without a rerun.
Undefined scores (nothing valid) are NaN, never 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MOMENTS = ("n", "sum_p", "sum_g", "sum_pp", "sum_pg", "sum_gg")
"""Layout of ``*/moments``: p is the prediction, g the ground truth, over the valid pixels of one batch."""

ALIGNED = "aligned-rmse"
"""The switch of ``--released`` that ``rmse_aligned`` belongs to."""
VARIED, FALLEN = 0.9, 0.99
"""Shares of one class in all predictions: at most the first means that they were varied, above the second that they
have collapsed."""


def over_batches(sums: Array) -> Array:
    """(batches, steps, ...) -> (steps, ...): their sum. Of one batch it is that batch, which resampling makes often."""
    total: Array = sums[0] if len(sums) == 1 else sums.sum(0)
    return total


def rmse(moments: Array) -> Array:
    """Root mean squared error over all valid pixels of the set, no alignment."""
    n, _, _, pp, pg, gg = np.moveaxis(over_batches(moments), -1, 0)
    return np.sqrt(np.maximum(divide(pp - 2 * pg + gg, n), 0.0))


def rmse_aligned(moments: Array) -> Array:
    """RMSE after a least-squares scale and shift of the prediction in each batch (the S4T release's).

    Ground truth enters the prediction: scale, offset and sign of the prediction do not matter, and a
    constant prediction scores the in-batch standard deviation of the truth.
    """
    n, p, g, pp, pg, gg = np.moveaxis(moments, -1, 0)
    safe_n = np.maximum(n, 1.0)
    var_p = np.maximum(pp - p * p / safe_n, 0.0)
    var_g = np.maximum(gg - g * g / safe_n, 0.0)
    covariance = pg - p * g / safe_n
    # A prediction that is constant up to rounding explains nothing.
    explains = var_p > 1e-12 * np.maximum(pp, 1e-300)
    explained = np.where(explains, covariance**2 / np.where(explains, var_p, 1.0), 0.0)
    error = np.maximum(var_g - explained, 0.0)
    return np.sqrt(divide(error.sum(0), n.sum(0)))


def fallen_onto_one_class(predicted: Array) -> tuple[int, float] | None:
    """First step, with the class's share, at which one class took all predictions though step 0 was varied.

    Args:
        predicted: (steps, classes), how often each class was predicted in the whole set.
    """
    share = predicted.max(-1) / np.maximum(predicted.sum(-1), 1.0)
    fallen = np.flatnonzero(share > FALLEN)
    return (int(fallen[0]), float(share[fallen[0]])) if share[0] <= VARIED and fallen.size else None


def divide(top: Array, bottom: Array) -> Array:
    """``top / bottom``, NaN where the bottom is not positive."""
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
