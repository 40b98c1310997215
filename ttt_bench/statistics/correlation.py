"""Rank correlation with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_POINTS = 5
"""Below it an interval reaches over nearly everything."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with its 95 % interval."""

    rho: float
    low: float
    high: float
    points: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves out zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Spearman's rank correlation: Pearson's of the ranks, with Fisher's interval.

    Args:
        first: values.
        second: as many; a pair in which one is undefined does not count.

    Returns:
        NaN for all three with fewer than ``LEAST_POINTS`` points, or where one side is constant.
    """
    from scipy.stats import pearsonr, rankdata

    values = np.array([first, second], dtype=np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    points = values.shape[1]
    if points < LEAST_POINTS or (np.ptp(values, axis=1) == 0).any():
        return Correlation(math.nan, math.nan, math.nan, points)
    found = pearsonr(*rankdata(values, axis=1))
    interval = found.confidence_interval(0.95)
    return Correlation(float(found.statistic), float(interval.low), float(interval.high), points)
