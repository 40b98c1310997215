"""What is read from the stored numbers of the two assumption checks. Numpy only: no torch to redo a report."""

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
