"""Holm, power, ranks and Kendall against known answers and against the libraries they come from."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import nctdtr, stdtrit

from ttt_bench.statistics import comparison
from ttt_bench.statistics.comparison import holm, kendall, mean_ranks, seeds_needed, tie_group
from ttt_bench.statistics.resampling import draw_weights, interval, resampled_mean
from ttt_bench.statistics.verdict import Standing, verdict


def test_holm_by_hand():
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": math.nan})
    assert adjusted["a"] == pytest.approx(0.03)
    assert adjusted["c"] == pytest.approx(0.06)
    assert adjusted["b"] == pytest.approx(0.06)
    assert math.isnan(adjusted["d"])
    assert holm({}) == {}


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_holm_is_its_definition_ties_included(count):
    # Every p comes twice: ties must share their adjusted value.
    values = np.repeat(np.random.default_rng(count).random(count) ** 4, 2)
    reached, expected = 0.0, {}
    for place, index in enumerate(np.argsort(values, kind="stable")):
        reached = max(reached, values[index] * (len(values) - place))
        expected[str(index)] = min(reached, 1.0)
    assert holm({str(place): float(p) for place, p in enumerate(values)}) == expected


def test_what_cannot_be_told_from_the_best_shares_its_group():
    assert tie_group("a", {"b": 0.2, "c": 0.001, "d": math.nan}) == {"a", "b", "d"}


def test_seeds_needed_gives_the_power_it_promises():
    differences = [0.2, 1.4, 0.5, 1.9, -0.3, 1.1]
    needed = seeds_needed(differences)
    mean, spread = np.mean(differences), np.std(differences, ddof=1)
    rng = np.random.default_rng(0)
    seen = [stats.ttest_1samp(rng.normal(mean, spread, needed), 0).pvalue < 0.05 for _ in range(2000)]
    assert 0.76 < np.mean(seen) < 0.86


def test_seeds_needed_says_nothing_where_nothing_is_known():
    assert seeds_needed([1.0, 2.0]) is None
    assert seeds_needed([1.0, 1.0, 1.0]) is None
    assert seeds_needed([1.0, -1.0, 0.0]) is None
    assert seeds_needed([5.0, 5.001, 5.002]) == 2


def test_the_critical_difference_is_the_one_printed_in_the_literature():
    """Demsar 2006: four classifiers on 14 data sets have CD 1.25 at 5 %."""
    scores = np.random.default_rng(0).random((14, 4))
    ranks = mean_ranks("abcd", scores)
    assert ranks.critical_difference == pytest.approx(1.25, abs=0.01)
    assert sum(ranks.mean) == pytest.approx(10)
    assert math.isnan(mean_ranks("abcd", scores[:4]).critical_difference)


def test_kendall_is_scipys_and_undefined_without_order():
    assert kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(stats.kendalltau([1, 2, 3, 4], [1, 3, 2, 4]).statistic)
    assert math.isnan(kendall([1, 1, 1], [1, 2, 3]))
    assert kendall([1, 2, 3, math.nan], [3, 2, 1, 0]) == -1


def _table(rng, effects, seeds=10, batches=8):
    """p of each effect against zero, as a report finds it: paired differences per batch and seed."""
    found = {}
    for name, effect in effects.items():
        per_batch = effect + rng.normal(0, 0.5, (seeds, 1)) + rng.normal(0, 1.0, (seeds, batches))
        weights = draw_weights(batches, seeds * 300, rng).reshape(seeds, 300, batches)
        runs = list(np.einsum("srb,sb->sr", weights, per_batch) / batches)
        found[name] = interval(float(per_batch.mean()), resampled_mean(runs, rng), seeds)
    return found


def test_a_truly_better_method_is_found_and_equal_ones_seldom_declared_better():
    """200 simulated tables: one method is 2 points above the control, four equal it."""
    found = mistaken = 0
    for trial in range(200):
        table = _table(np.random.default_rng(trial), {"better": 2.0, "e1": 0.0, "e2": 0.0, "e3": 0.0, "e4": 0.0})
        adjusted = holm({name: each.p for name, each in table.items()})
        sides = {n: Standing(n, table[n], adjusted[n], None).side for n in table}
        found += sides["better"] == "above"
        mistaken += any(sides[n] == "above" for n in ("e1", "e2", "e3", "e4"))
    assert found >= 195
    assert mistaken <= 10


def test_the_verdict_names_everybody_once():
    table = _table(np.random.default_rng(3), {"good": 3.0, "bad": -3.0, "same": 0.0})
    adjusted = holm({name: each.p for name, each in table.items()})
    text = verdict([Standing(n, table[n], adjusted[n], 40 if n == "same" else None) for n in table], 10)
    above, _, rest = text.partition("Below:")
    assert "good" in above
    assert "bad" in rest.split("Not to be told")[0]
    assert "same" in rest.split("Not to be told")[1]
    assert "40 seeds" in text
    assert "No method is above" in verdict([Standing("same", table["same"], 1.0, None)], 1)
    assert "One seed" in verdict([Standing("same", table["same"], 1.0, None)], 1)


@pytest.mark.parametrize("effect", [0.01, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 9.9])
def test_seeds_are_found_for_any_effect(effect):
    from scipy.stats import nct, t

    needed = seeds_needed([effect - 1, effect, effect + 1])

    def power(n):
        far = t.isf(0.025, n - 1)
        return nct.sf(far, n - 1, effect * n**0.5)

    assert needed is not None
    assert power(needed) >= 0.8
    assert needed == 2 or power(needed - 1) < 0.8


@pytest.mark.parametrize("effect", [0.02, 0.4, 1.3, 4.7, 9.8])
@pytest.mark.parametrize("seeds", [2, 3, 40, 3000])
def test_power_is_that_of_the_noncentral_t_to_the_bit(effect, seeds, monkeypatch):
    critical = -stdtrit(seeds - 1, comparison.ALPHA / 2)
    known = float(1 - nctdtr(seeds - 1, effect * math.sqrt(seeds), critical))
    monkeypatch.setattr(comparison, "POWER", known)
    assert comparison._enough(effect, seeds)
    monkeypatch.setattr(comparison, "POWER", math.nextafter(known, 2))
    assert not comparison._enough(effect, seeds)


def test_garbage_that_was_frozen_stays_frozen_and_nothing_else():
    """Holm's adjustment sets objects aside from garbage collections for as long as it takes."""
    p_values = {"a": 0.01, "b": 0.04}
    assert gc.get_freeze_count() == 0
    adjusted = holm(p_values)
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        assert holm(p_values) == adjusted == {"a": 0.02, "b": 0.04}
        assert gc.get_freeze_count() == frozen > 0
    finally:
        gc.unfreeze()
