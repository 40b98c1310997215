"""The bootstrap covers what it says it covers, and pairs what must be paired."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_bench.statistics.resampling import block_length, draw_weights, interval, pooled, resampled_mean
from ttt_bench.tasks import TASKS
from ttt_bench.tasks.statistics import rmse


@given(st.integers(1, 200))
def test_every_draw_holds_as_many_batches_as_the_run(batches):
    weights = draw_weights(batches, 20, np.random.default_rng(0))
    assert weights.shape == (20, batches)
    assert (weights.sum(1) == batches).all()
    assert (weights >= 0).all()


@pytest.mark.parametrize(
    ("batches", "length"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 2), (9, 3), (27, 3), (28, 4), (1000, 10)]
)
def test_blocks_are_as_long_as_the_cube_root(batches, length):
    assert block_length(batches) == length


def test_every_batch_is_as_likely_and_neighbours_come_together():
    weights = draw_weights(27, 20_000, np.random.default_rng(0))
    np.testing.assert_allclose(weights.mean(0), 1.0, atol=0.05)
    together = np.corrcoef(weights.T)
    assert together[5, 6] > 0.3
    assert together[5, 16] < 0, "what comes together leaves less room for the rest"


def test_pooled_sums_are_sums_of_the_drawn_batches():
    rng = np.random.default_rng(1)
    sums = rng.random((5, 2, 3))
    weights = draw_weights(5, 4, rng)
    for draw in range(4):
        by_hand = sum(weights[draw, b] * sums[b] for b in range(5))
        np.testing.assert_allclose(pooled(sums, weights)[0, draw], by_hand)


@pytest.mark.parametrize("metric", [m for t in TASKS.values() for m in t.metrics if m.additive], ids=lambda m: m.id)
def test_resampled_counts_score_the_same_to_the_bit_however_they_lie_in_memory(metric):
    rng = np.random.default_rng(3)
    shape = {
        "semseg/confusion": (40, 40),
        "edge/histogram": (2, 64),
        "class/counts": (9, 3),
        "class/calibration": (15, 3),
    }
    counts = rng.integers(1, 500, (16, *shape.get(metric.statistic, (6,)))).astype(float)
    if metric.statistic == "class/nll":
        counts = counts[:, :2]
    if metric.statistic == "normal/angles":
        counts = counts[:, :5]
    weights = draw_weights(16, 50, rng)
    plain = (weights @ counts.reshape(16, -1)).reshape(1, 50, *counts.shape[1:])
    np.testing.assert_array_equal(pooled(counts, weights), plain)
    np.testing.assert_array_equal(metric.compute(pooled(counts, weights)), metric.compute(plain))


def test_metrics_compute_on_draws_as_on_steps():
    rng = np.random.default_rng(2)
    moments = np.stack([_moments(rng.normal(size=50), rng.normal(size=50)) for _ in range(6)])
    weights = draw_weights(6, 3, rng)
    drawn = [rmse(np.repeat(moments, weights[d].astype(int), axis=0)[:, None])[0] for d in range(3)]
    np.testing.assert_allclose(rmse(pooled(moments, weights)), drawn)


def _moments(p, g):
    return np.array([len(p), p.sum(), g.sum(), (p * p).sum(), (p * g).sum(), (g * g).sum()])


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """200 simulated comparisons of 30 seeds with 16 batches each, true difference 1."""
    truth, covered = 1.0, 0
    for trial in range(200):
        rng = np.random.default_rng(trial)
        runs, values = [], []
        for _ in range(30):
            batches = truth + rng.normal(0, 1.0) + rng.normal(0, 2.0, 16)
            weights = draw_weights(16, 500, rng)
            runs.append(weights @ batches / 16)
            values.append(batches.mean())
        found = interval(float(np.mean(values)), resampled_mean(runs, rng), 30)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 200 <= 0.98


def test_where_nothing_varies_equal_is_equal_and_a_difference_is_not_sure():
    same = interval(0.0, np.zeros(100), 1)
    assert (same.low, same.high, same.p) == (0.0, 0.0, 1.0)
    assert np.isnan(interval(2.0, np.full(100, 2.0), 1).p), "one batch shows no spread"
    assert np.isnan(interval(2.0, np.full(100, 2.0), 1).low)
    assert np.isnan(interval(1.0, np.array([1.0, np.nan]), 1).p)


def test_one_run_varies_within_itself_only():
    draws = np.random.default_rng(0).normal(size=200)
    np.testing.assert_array_equal(resampled_mean([draws], np.random.default_rng(1)), draws)
