"""What is read from the stored numbers of measurements. Numpy only: no torch to redo a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

REFERENCE = "fine-tuned"
MODELS = ("before", "bn", "after", REFERENCE)
"""Of the affinity study: the source model, two adapted ones, and the one that saw target labels."""

TOTAL = "total"
"""Of the TBS study: the weighted sum of the tasks' losses."""


def gap(matrix: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Mean over i < j of |A_ij - A'_ij|; NaN for a single task."""
    difference = np.abs(np.asarray(matrix, dtype=np.float64) - np.asarray(reference, dtype=np.float64))
    upper = difference[np.triu_indices(len(difference), k=1)]
    return float(upper.mean()) if upper.size else float("nan")


def mean_matrices(found: Sequence[dict[str, Any]]) -> dict[str, Array]:
    """Model -> (T, T), mean over stored measurements (seeds)."""
    return {name: np.mean([each["matrices"][name] for each in found], axis=0) for name in MODELS}


def retained(losses: npt.ArrayLike) -> Array:
    """Percent of the performance at the first ratio: 100 x mean loss there / mean loss at each ratio.

    Args:
        losses: (ratios, noise seeds) of one task.

    Returns:
        (ratios,); the first is 100.
    """
    means = np.asarray(losses, dtype=np.float64).mean(axis=1)
    return np.asarray(100.0 * means[0] / means)


def cosines_of(grams: npt.ArrayLike) -> Array:
    """Cosines from inner products; NaN with a vector of length 0, and where a product is not finite.

    Args:
        grams: (..., N, N) inner products of N vectors.

    Returns:
        (..., N, N).
    """
    products = np.asarray(grams, dtype=np.float64)
    lengths = np.sqrt(np.diagonal(products, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(products / (lengths[..., :, None] * lengths[..., None, :]))


def linear_cka(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Linear centred kernel alignment of two sets of features of the same images: 1 for equal up to rotation and scale.

    Args:
        first: (images, d).
        second: (images, e).

    Returns:
        In [0, 1]; NaN where one of them does not vary.

    Source: Kornblith et al., Similarity of Neural Network Representations Revisited (ICML 2019), section 3.
    """
    x, y = (np.asarray(each, dtype=np.float64) for each in (first, second))
    # Of the two equal forms the one over images: there are fewer of them than products of channels.
    one, other = (centred @ centred.T for centred in (x - x.mean(0), y - y.mean(0)))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / size if size > 0 else float("nan")
