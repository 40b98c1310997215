"""From stored sufficient statistics to scores. Numpy only.

Every function maps statistics of shape (batches, steps, ...) to one value per step over the whole set,
so that any step, selection or subset of batches can be scored after the fact without a rerun.
Undefined scores (no valid pixel) are NaN, never 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MOMENTS = ("n", "sum_p", "sum_g", "sum_pp", "sum_pg", "sum_gg")
"""Layout of ``*/moments``: p is the prediction, g the ground truth, over the valid pixels of one batch."""

ANGLES = ("n", "sum_angle", "within_11.25", "within_22.5", "within_30")
"""Layout of ``normal/angles``: counts, and the sum in degrees."""


def mean_iou(confusion: Array) -> Array:
    """Mean IoU over all classes; a class absent from prediction and truth counts 0 (S4T's convention).

    Args:
        confusion: (batches, steps, classes, classes), rows are the truth.
    """
    total = confusion.sum(0)
    hit = np.einsum("scc->sc", total)
    union = total.sum(1) + total.sum(2) - hit
    iou = (hit / np.maximum(union, 1e-8)).mean(-1)
    return np.where(total.sum((1, 2)) > 0, iou, np.nan)


def absent_classes(confusion: Array) -> int:
    """How many classes never occur in the truth of the set (each pulls ``mean_iou`` down)."""
    return int((confusion[:, 0].sum((0, 2)) == 0).sum())


def pixel_accuracy(confusion: Array) -> Array:
    """Share of valid pixels whose class is right."""
    total = confusion.sum(0)
    return _divide(np.einsum("scc->s", total), total.sum((1, 2)))


def rmse(moments: Array) -> Array:
    """Root mean squared error over all valid pixels of the set, no alignment."""
    n, _, _, pp, pg, gg = np.moveaxis(moments.sum(0), -1, 0)
    return np.sqrt(np.maximum(_divide(pp - 2 * pg + gg, n), 0.0))


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
    return np.sqrt(_divide(error.sum(0), n.sum(0)))


def mean_angle(angles: Array) -> Array:
    """Mean angle in degrees between predicted and true normals."""
    total = angles.sum(0)
    return _divide(total[:, 1], total[:, 0])


def within_30(angles: Array) -> Array:
    """Share of valid pixels whose normal is within 30 degrees."""
    total = angles.sum(0)
    return _divide(total[:, 4], total[:, 0])


def average_precision(histogram: Array) -> Array:
    """Area under the precision-recall curve of the edge probability, without pixel tolerance.

    Args:
        histogram: (batches, steps, 2, bins): counts of non-edge and edge pixels per probability bin.
            Pixels of one bin are taken together, so the resolution is one bin.
    """
    total = histogram.sum(0)[..., ::-1]  # from confident edge to confident non-edge
    false, true = np.cumsum(total[:, 0], -1), np.cumsum(total[:, 1], -1)
    precision = true / np.maximum(true + false, 1.0)
    positives = true[:, -1]
    recall_gain = np.diff(true, axis=-1, prepend=0.0)
    return _divide((precision * recall_gain).sum(-1), positives)


def _divide(top: Array, bottom: Array) -> Array:
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
