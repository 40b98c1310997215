"""Over many tables: mean ranks, agreement of rankings, and whether methods in step gain more."""

import numpy as np
import pytest
from report.synthetic import METHODS, plausible, save, trajectory
from scipy.stats import kendalltau, spearmanr

from ttt_bench.report import score_folder
from ttt_bench.report.overview import by_block
from ttt_bench.report.relations import agreement_table, over_all, rank_table, ranks_of, sync_claim
from ttt_bench.statistics.correlation import rank_correlation

PAIRS = [f"rooms/studio->rooms/{look}" for look in ("fog", "dusk", "neon", "faded", "cctv")]


def planted(folder, pairs, **changes):
    """Depth RMSE that makes tent better than ttt better than bn everywhere."""
    worth = {"base": 1.0, "bn": 0.9, "ttt": 0.8, "tent": 0.7}
    cells = [
        trajectory(method, {"depth": [1.0, value]}, pair=pair, **changes)
        for pair in pairs
        for method, value in worth.items()
    ]
    return score_folder(save(folder, *cells)).groups


def test_mean_ranks_need_five_pairs_and_put_the_best_first(tmp_path):
    assert ranks_of(planted(tmp_path / "few", PAIRS[:4])) is None
    groups = planted(tmp_path / "many", PAIRS)
    ranks = dict(zip(ranks_of(groups).names, ranks_of(groups).mean, strict=True))
    assert ranks == {"tent": 1.0, "ttt": 2.0, "bn": 3.0}
    table = rank_table(groups)
    assert [row[0].text for row in table.rows] == ["tent", "ttt", "bn"]
    assert "Friedman p" in table.notes[1]


def test_a_method_that_collapsed_comes_last_and_one_that_is_missing_is_left_out(tmp_path):
    cells = [
        trajectory(m, {"depth": [1.0, v]}, pair=p) for p in PAIRS for m, v in (("base", 1.0), ("bn", 0.9), ("ttt", 0.8))
    ]
    cells += [trajectory("tent", {"depth": [1.0, 0.1]}, pair=p, collapsed=1) for p in PAIRS]
    cells += [trajectory("s4t", {"depth": [1.0, 0.1]}, pair=p) for p in PAIRS[:4]]
    ranks = ranks_of(score_folder(save(tmp_path, *cells)).groups)
    assert dict(zip(ranks.names, ranks.mean, strict=True)) == {"ttt": 1.0, "bn": 2.0, "tent": 3.0}


def test_rankings_of_two_recipes_are_compared_on_the_pairs_that_both_have(tmp_path):
    values = {
        "native": {"bn": 0.9, "ttt": 0.8, "tent": 0.7, "s4t": 0.6},
        "paper": {"bn": 0.9, "ttt": 0.7, "tent": 0.8, "s4t": 0.6},
    }
    cells = [
        trajectory(method, {"depth": [1.0, value]}, pair=PAIRS[0], recipe=recipe)
        for recipe, by_method in values.items()
        for method, value in {"base": 1.0, **by_method}.items()
    ]
    table = agreement_table(by_block(score_folder(save(tmp_path, *cells)).groups))
    expected = kendalltau(list(values["native"].values()), list(values["paper"].values())).statistic
    assert [entry.text for entry in table.rows[0]] == ["native", "paper", "1", f"{expected:+.2f}"]
    assert agreement_table({}) is None


def test_a_correlation_is_scipys_and_its_interval_leaves_out_zero_where_it_is_sure():
    rng = np.random.default_rng(0)
    x = rng.normal(size=30)
    found = rank_correlation(x, 2 * x + rng.normal(size=30))
    assert found.rho == pytest.approx(spearmanr(x, 2 * x + 0 * x).statistic, abs=0.3)
    assert found.sign == 1
    assert found.low < found.rho < found.high
    assert rank_correlation(x, x[::-1] * 0 + 1).sign == 0
    assert np.isnan(rank_correlation(x[:4], x[:4]).rho)
    assert rank_correlation([*x, np.nan], [*x, 1.0]).points == 30


def test_fishers_interval_covers_zero_19_times_in_20():
    rng = np.random.default_rng(1)
    told = [rank_correlation(rng.normal(size=25), rng.normal(size=25)).sign for _ in range(400)]
    assert 0.02 < np.mean(np.abs(told)) < 0.09


def test_the_claim_is_answered_in_one_sentence(tmp_path):
    cells = [plausible(m, 0, p, steps=6, batches=4) for p in PAIRS[:2] for m in METHODS]
    groups = score_folder(save(tmp_path, *cells)).groups
    table = sync_claim(groups)
    assert len(table.rows) == 3
    assert table.rows[-1][0].text.startswith("all pairs")
    assert table.notes[0].endswith(".")
    assert all(name in table.notes[0] for name in ("SV", "DTW", "CS"))
    assert [title for title, _ in over_all(groups)] == [groups[0].block.title]
