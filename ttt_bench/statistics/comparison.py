"""From many comparisons to statements: Holm, tie groups, seeds needed, ranks and their critical difference."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 2**20
"""More than anybody runs: the difference is none."""


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for their number (Holm 1979); undefined ones stay undefined and do not count."""
    from statsmodels.stats.multitest import multipletests

    known = {name: p for name, p in p_values.items() if math.isfinite(p)}
    with _set_aside():
        adjusted = multipletests(list(known.values()), alpha=ALPHA, method="holm")[1] if known else []
    return {**dict.fromkeys(p_values, math.nan), **dict(zip(known, map(float, adjusted), strict=True))}


@contextmanager
def _set_aside() -> Iterator[None]:
    """Leave everything that there is out of garbage collections meanwhile.

    ``multipletests`` collects in every call, and would walk each time through all cells of a report: a third of a
    second with 5,000 of them.
    """
    if not gc.get_freeze_count():  # somebody else's, who counts on it to last
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
    else:
        yield


def tie_group(best: str, against_best: Mapping[str, float]) -> frozenset[str]:
    """Everything that cannot be told from the best one at 5 %.

    Args:
        best: the name with the highest estimate.
        against_best: p of "equal to the best" of every other name, not yet adjusted.
    """
    adjusted = holm(against_best)
    return frozenset({best} | {name for name, p in adjusted.items() if not p < ALPHA})


def seeds_needed(differences: Sequence[float]) -> int | None:
    """Seeds for 80 % power of a paired t test at 5 % to see the observed mean difference.

    Args:
        differences: one per seed.

    Returns:
        At least 2; None with fewer than three seeds, when they do not vary or the mean is 0, and beyond ``MOST_SEEDS``.
    """
    values = np.asarray(differences, float)
    if len(values) < 3 or not np.isfinite(values).all():
        return None
    spread = float(values.std(ddof=1))
    if spread == 0 or values.mean() == 0:
        return None
    effect = abs(float(values.mean())) / spread
    if effect > 10:  # two seeds show it; the power of so large an effect cannot be computed in floating point
        return 2
    # Its solver for the number does not converge for effects of 5 and more, so the number is searched for.
    few, many = 1, 2
    while not _enough(effect, many):
        few, many = many, 2 * many
        if many > MOST_SEEDS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _enough(effect, middle) else (middle, many)
    return many


def _enough(effect: float, seeds: int) -> bool:
    from statsmodels.stats.power import TTestPower

    # Of the two-sided test's tails the far one adds nothing at this power, and scipy cannot compute it.
    return float(TTestPower().power(effect, seeds, ALPHA / 2, alternative="larger")) >= POWER


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of methods over blocks (pairs); 1 is best."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    critical_difference: float
    """Of Nemenyi's test at 5 %; NaN with fewer than five blocks, where it says nothing."""
    friedman_p: float


def mean_ranks(names: Sequence[str], scores: Array) -> Ranks:
    """Mean ranks and the critical difference between them (Demsar 2006, section 3.2.2).

    Args:
        names: of the columns.
        scores: (blocks, names), higher is better; ties share their mean rank.
    """
    from scipy.stats import friedmanchisquare, rankdata

    blocks, count = scores.shape
    ranks = rankdata(-scores, axis=1)
    critical, p = math.nan, math.nan
    if blocks >= 5 and count >= 3:
        critical = _nemenyi(count) * math.sqrt(count * (count + 1) / (6 * blocks))
        p = float(friedmanchisquare(*scores.T).pvalue)
    return Ranks(tuple(names), tuple(map(float, ranks.mean(0))), critical, p)


@lru_cache(maxsize=64)
def _nemenyi(count: int) -> float:
    """Critical value for so many methods; it is integrated, so each is computed once."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - ALPHA, count, np.inf)) / math.sqrt(2)


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau-b between two rankings of the same things; NaN where one of them is constant or too short."""
    from scipy.stats import kendalltau

    pairs = [(a, b) for a, b in zip(first, second, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if len(pairs) < 3 or any(len(set(column)) == 1 for column in zip(*pairs, strict=True)):
        return math.nan
    return float(kendalltau(*zip(*pairs, strict=True)).statistic)
