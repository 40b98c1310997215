"""Intervals are those of the paired bootstrap; what they decide is what stands in the report."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import moments, save, trajectory

from ttt_bench.identity import identity
from ttt_bench.report import build_report
from ttt_bench.report import reduction as reducing
from ttt_bench.report.build import score_folder
from ttt_bench.report.reduction import Pooling, grouping, reduce_statistic
from ttt_bench.report.uncertainty import _seeded
from ttt_bench.statistics.resampling import RESAMPLES, SEED, block_length
from ttt_bench.store.cell_file import CellFile
from ttt_bench.tasks import metric_by_id

BATCHES = 12


def noisy(method, shift, seed=0, batches=BATCHES, spread=0.1):
    """RMSE of each batch about 1 - shift at the last step; hard images are hard for every method."""
    hard = np.random.default_rng(seed).normal(0, 0.2, batches)
    own = np.random.default_rng([seed, *method.encode()]).normal(0, spread, batches)
    made = trajectory(method, {"depth": [1.0, 1.0]}, seed=seed, batches=batches)
    start = np.concatenate([moments([1.0 + h], 1) for h in hard])
    end = np.concatenate([moments([1.0 + h - shift + o], 1) for h, o in zip(hard, own, strict=True)])
    made.statistics["depth/moments"] = np.concatenate([start, start if method == "base" else end], axis=1)
    return made


def cells(seeds, **shifts):
    return [noisy(name, shift, seed) for seed in range(seeds) for name, shift in shifts.items()]


def test_the_interval_is_that_of_a_bootstrap_by_hand(tmp_path):
    made = {name: noisy(name, shift) for name, shift in (("base", 0), ("bn", 0.1), ("tent", 0.2))}
    group = score_folder(save(tmp_path, *made.values())).groups[0]
    rng = _seeded(group.row("tent").runs[0].run)
    length = block_length(BATCHES)
    starts = rng.integers(BATCHES, size=(RESAMPLES, -(-BATCHES // length)))
    drawn = ((starts[:, :, None] + np.arange(length)) % BATCHES).reshape(RESAMPLES, -1)[:, :BATCHES]
    rmse = metric_by_id("depth/rmse").compute

    def score(name, draw, step):
        return rmse(made[name].statistics["depth/moments"][draw][:, [step]])[0]

    over, own = [], []
    for draw in drawn:
        base, bn, tent = score("base", draw, 0), score("bn", draw, 1), score("tent", draw, 1)
        own.append(100 * (base - tent) / base)
        over.append(100 * (bn - tent) / base)
    known = group.uncertainty.rows["tent"]
    np.testing.assert_allclose([known.delta.low, known.delta.high], np.quantile(own, (0.025, 0.975)))
    np.testing.assert_allclose([known.over_bn.low, known.over_bn.high], np.quantile(over, (0.025, 0.975)))
    assert known.over_bn.estimate == pytest.approx(group.row("tent").mean("last/delta_bn"))
    assert known.over_bn.low < known.over_bn.estimate < known.over_bn.high


def test_seeds_are_drawn_again_and_wander_together(tmp_path):
    group = score_folder(save(tmp_path, *cells(3, base=0, bn=0.1, tent=0.3))).groups[0]
    known = group.uncertainty.rows["tent"]
    assert known.over_bn.runs == 3
    assert known.seeds_needed is not None
    again = score_folder(tmp_path).groups[0].uncertainty
    assert again == group.uncertainty
    assert SEED
    assert identity(group.row("tent").runs[0].run.surroundings) != identity(group.row("tent").runs[1].run.surroundings)


def test_a_planted_better_method_is_named_and_equal_ones_are_not(tmp_path):
    folder = save(tmp_path, *cells(3, base=0, bn=0.2, better=0.4, equal=0.2, worse=0.0))
    made = build_report(folder, figures=False)
    said = made.groups[0].uncertainty.verdict
    assert "Above re-estimated batch-norm statistics (bn): better (+" in said
    assert "Below: worse (-" in said
    assert "Not to be told from bn: equal (" in said
    page = (folder / "report.md").read_text()
    assert "Above re-estimated batch-norm statistics (bn): better" in page
    assert page.index("Above re-estimated") < page.index("| method")
    assert made.groups[0].uncertainty.tied == {"better"}
    frame = made.table.set_index("label")
    assert frame.loc["better", "last/delta_bn_low"] > 0
    assert frame["tied"].tolist().count(True) == 1


def test_one_seed_says_so(tmp_path):
    group = score_folder(save(tmp_path, *cells(1, base=0, bn=0.1, tent=0.3))).groups[0]
    assert "within this run" in group.uncertainty.verdict
    assert group.uncertainty.rows["tent"].seeds_needed is None


def test_a_collapsed_method_is_not_compared(tmp_path):
    gone = noisy("tent", 0.3)
    gone.summary["collapsed_step"] = 1
    group = score_folder(save(tmp_path, *cells(1, base=0, bn=0.1), gone)).groups[0]
    assert "Collapsed: tent (1 of 1 runs)" in group.uncertainty.verdict
    assert "tent" not in group.uncertainty.tied


def test_metrics_fitted_on_each_batch_have_no_interval(tmp_path):
    group = score_folder(save(tmp_path, *cells(1, base=0, bn=0.1, tent=0.3)), ["depth/rmse_aligned"]).groups[0]
    assert not group.uncertainty.rows
    assert "no interval" in group.uncertainty.verdict
    assert "depth/rmse_aligned" in group.uncertainty.verdict


def test_many_batches_are_merged_alike_at_once_and_in_parts(tmp_path, monkeypatch):
    made = noisy("tent", 0.3, batches=1300)
    save(tmp_path, made)
    assert grouping((1300, 2, 6)).max() == 511
    assert np.ptp(np.bincount(grouping((1300, 2, 6)))) == 1
    assert grouping((1300, 2, 150, 150)).max() == reducing.LEAST_GROUPS - 1
    metric = metric_by_id("depth/rmse")
    with CellFile(next((tmp_path / "cells").iterdir())) as file:
        whole = reduce_statistic(file, "statistics/depth/moments", [metric], Pooling())[metric.id].sums
        monkeypatch.setattr(reducing, "LARGE", 4096)
        parts = reduce_statistic(file, "statistics/depth/moments", [metric], Pooling())[metric.id].sums
    assert whole.shape == (512, 2, 6)
    np.testing.assert_allclose(parts, whole)
    np.testing.assert_allclose(whole.sum(0), made.statistics["depth/moments"].sum(0))
