"""The paired block bootstrap over the batches of a run and over runs.

The unit is the batch within a run; runs are the seeds. Delta is a ratio of pooled sums, so sums are resampled and not
scores, and the same batches and seeds are drawn for the method, for ``bn`` and for ``base``. Batches of a stream depend
on each other: blocks of consecutive batches are drawn (Kuensch 1989), circularly, so that every batch is as likely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20260101
"""Of every bootstrap: a report made twice says the same."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval and the two-sided p of "it is zero"."""

    estimate: float
    low: float
    high: float
    p: float
    runs: int
    """Seeds behind it; with one the interval says how sure it is within this run only."""


def block_length(batches: int) -> int:
    """ceil(n^(1/3)), the usual order for the mean of a dependent series; half a run at most, so that draws differ."""
    # The cube root of 8 or 27 in floating point may lie a hair above the whole number.
    root: float = batches ** (1 / 3)
    return max(1, min(math.ceil(round(root, 9)), batches // 2))


def draw_weights(batches: int, resamples: int, rng: np.random.Generator) -> Array:
    """How often each batch is drawn.

    Args:
        batches: of the run, in order of arrival.
        resamples: how many draws.
        rng: the source of every draw.

    Returns:
        (resamples, batches), rows of sum ``batches``.
    """
    length = block_length(batches)
    blocks = math.ceil(batches / length)
    starts = rng.integers(batches, size=(resamples, blocks))
    drawn = (starts[..., None] + np.arange(length)) % batches
    drawn = drawn.reshape(resamples, -1)[:, :batches]
    cells = (drawn + batches * np.arange(resamples)[:, None]).ravel()
    return np.bincount(cells, minlength=resamples * batches).reshape(resamples, batches).astype(float)


def pooled(sums: Array, weights: Array) -> Array:
    """(batches, ...) sums and (resamples, batches) weights -> (1, resamples, ...), the form that metrics compute on.

    Of counts the resamples of one entry lie side by side in memory: metrics add over short axes, like that of the
    classes, and numpy is fast where the longest axis is the innermost. Whole numbers add up to the same in any order.
    """
    flat = sums.reshape(len(sums), -1)
    if (flat == np.rint(flat)).all():
        across = (flat.T @ weights.T).reshape(1, *sums.shape[1:], len(weights))
        return np.moveaxis(across, -1, 1)
    return (weights @ flat).reshape(1, len(weights), *sums.shape[1:])


def resampled_mean(runs: Sequence[Array], rng: np.random.Generator) -> Array:
    """The mean over runs of a quantity that was resampled within each run, runs drawn again too.

    Args:
        runs: one (resamples,) array per seed.
        rng: the source of every draw.

    Returns:
        (resamples,). With one run only its batches vary.
    """
    values = np.stack(runs)
    seeds, resamples = values.shape
    chosen = rng.integers(seeds, size=(seeds, resamples)) if seeds > 1 else np.zeros((1, resamples), int)
    mean: Array = values[chosen, np.arange(resamples)].mean(0)
    return mean


def interval(estimate: float, draws: Array, runs: int, level: float = LEVEL) -> Interval:
    """Percentile interval and p of resampled values; undefined draws make it undefined.

    The p is twice the share of draws on the other side of zero, with one added to both counts (Davison and Hinkley
    1997, section 4.2.3), so that it is never 0.
    """
    if not np.isfinite(draws).all() or not math.isfinite(estimate):
        return Interval(estimate, math.nan, math.nan, math.nan, runs)
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2))
    if np.ptp(draws) == 0.0:
        # Nothing varies. Equal in every draw is equal, as with a method whose every prediction is the control's; any
        # other difference has been seen once, e.g. in a run of one batch, and nothing says how sure it is.
        known = estimate == 0
        return Interval(
            estimate, 0.0 if known else math.nan, 0.0 if known else math.nan, 1.0 if known else math.nan, runs
        )
    below, above = (draws <= 0).sum() + 1, (draws >= 0).sum() + 1
    p = min(1.0, 2 * min(below, above) / (len(draws) + 1))
    return Interval(estimate, float(low), float(high), float(p), runs)


def scores_of_draws(compute: Callable[[Array], Array], sums: Array, weights: Array) -> Array:
    """(resamples,) metric values of resampled batches.

    Args:
        compute: (batches, steps, ...) -> (steps,), a metric's.
        sums: (batches, ...) of one step.
        weights: from ``draw_weights``.
    """
    return compute(pooled(sums, weights))
