"""Numbers by hand: gains, Delta, controls, seeds, collapse, what is never mixed."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import save, trajectory

from ttt_bench.errors import UserError
from ttt_bench.metrics import cosine_similarity, dtw_many, gains, step_variance
from ttt_bench.report import build_report

HAND = {"semseg": [0.40, 0.44, 0.48], "depth": [1.0, 0.9, 0.8]}


def still(values):
    return {task: [series[0]] * len(series) for task, series in values.items()}


def report(folder, *cells, **keywords):
    return build_report(save(folder, *cells), figures=False, **keywords)


def row(made, method, **where):
    table = made.table[made.table["method"] == method]
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_builder_scores_are_what_was_asked_for(tmp_path):
    made = report(tmp_path, trajectory("base", {**HAND, "normal": [50.0, 40.0, 30.0], "edge": [0.2, 0.1, 0.3]}))
    base = row(made, "base")
    assert base["last/semseg/miou_mean"] == pytest.approx(0.48)
    assert base["last/depth/rmse_mean"] == pytest.approx(0.8)
    assert base["last/normal/mean_angle_mean"] == pytest.approx(30.0)
    assert base["last/edge/rmse_mean"] == pytest.approx(0.3)


def test_delta_is_against_base_of_the_same_seed(tmp_path):
    cells = []
    for seed, level in enumerate((0.40, 0.20)):
        cells.append(trajectory("base", {"semseg": [level] * 3}, seed=seed))
        cells.append(trajectory("bn", {"semseg": [level * 1.05] * 3}, seed=seed))
        rise = 1.1 if seed == 0 else 1.5
        cells.append(trajectory("tent", {"semseg": [level, level, level * rise]}, seed=seed))
    tent = row(report(tmp_path, *cells), "tent")
    assert tent["n"] == 2
    assert tent["last/delta_mean"] == pytest.approx(30.0)  # (10 + 50) / 2
    assert tent["last/delta_sd"] == pytest.approx(np.std([10, 50], ddof=1))
    assert tent["last/delta_bn_mean"] == pytest.approx(25.0)
    assert tent["last/delta_bn_sd"] == pytest.approx(np.std([5, 45], ddof=1))
    assert tent["last/semseg/miou_mean"] == pytest.approx((0.44 + 0.30) / 2)


def test_two_tasks_and_their_selections(tmp_path):
    moving = {"semseg": [0.40, 0.60, 0.44], "depth": [1.0, 0.9, 1.1]}
    made = report(
        tmp_path,
        trajectory("base", still(moving)),
        trajectory("tent", moving, loss=[1.0, 1.0]),
        fixed_step=1,
    )
    tent = row(made, "tent")
    assert tent["last/delta_mean"] == pytest.approx((10 - 10) / 2)
    assert tent["fixed/delta_mean"] == pytest.approx((50 + 10) / 2)
    assert tent["best/delta_mean"] == pytest.approx((50 + 10) / 2)
    assert tent["best/step_mean"] == 1
    assert tent["label_free/step_mean"] == 0
    assert tent["label_free/delta_mean"] == pytest.approx(0.0)


def test_a_better_step_zero_shows_as_gain(tmp_path):
    made = report(
        tmp_path, trajectory("base", still(HAND)), trajectory("bn", {"semseg": [0.48] * 3, "depth": [1.0] * 3})
    )
    assert row(made, "bn")["last/delta_mean"] == pytest.approx(10.0)
    assert row(made, "bn")["last/delta_bn_mean"] == 0
    assert row(made, "base")["last/delta_bn_mean"] == pytest.approx(-10.0)


def test_base_scored_at_step_zero_only_is_enough(tmp_path):
    made = report(
        tmp_path,
        trajectory("base", {"semseg": [0.4]}, extra={"steps": 2}),
        trajectory("tent", {"semseg": [0.4, 0.5, 0.6]}),
    )
    assert row(made, "tent")["last/delta_mean"] == pytest.approx(50.0)


def test_sync_is_per_run_then_over_seeds(tmp_path):
    runs = [
        {"semseg": [0.4, 0.5, 0.45, 0.4], "depth": [1.0, 0.9, 0.8, 0.7]},
        {"semseg": [0.4, 0.42, 0.44, 0.5], "depth": [1.0, 0.9, 0.8, 0.7]},
    ]
    cells = [trajectory("tent", values, seed=seed) for seed, values in enumerate(runs)]
    tent = row(report(tmp_path, *cells), "tent")
    for name, metric in (
        ("sv", step_variance),
        ("dtw", lambda rows: float(dtw_many(rows[None])[0])),
        ("cs", cosine_similarity),
    ):
        each = []
        for values in runs:
            table = np.array(list(values.values()))
            each.append(metric(gains(table, table[:, 0], [True, False])))
        assert tent[f"{name}_mean"] == pytest.approx(np.mean(each)), name
        assert tent[f"{name}_sd"] == pytest.approx(np.std(each, ddof=1)), name
    assert tent["dtw_per_step_mean"] == pytest.approx(tent["dtw_mean"] / 4)


def test_a_sparse_grid_keeps_its_steps(tmp_path):
    values = {"semseg": [0.4, 0.5, 0.45], "depth": [1.0, 0.9, 0.8]}
    made = report(tmp_path, trajectory("tent", values, steps=(0, 10, 40)))
    assert row(made, "tent")["sv_mean"] == pytest.approx(15.0**2)
    assert row(made, "tent")["fixed/step_mean"] == 10


def test_collapsed_runs_are_counted_and_not_averaged(tmp_path):
    broken = trajectory("tent", {"semseg": [0.4, np.nan, np.nan]}, seed=1, collapsed=1)
    made = report(
        tmp_path,
        *(trajectory("base", {"semseg": [0.4] * 3}, seed=s) for s in (0, 1)),
        trajectory("tent", {"semseg": [0.4, 0.5, 0.6]}),
        broken,
    )
    tent = row(made, "tent")
    assert (tent["n"], tent["collapsed"], tent["collapsed_steps"]) == (1, 1, "1")
    assert tent["last/delta_mean"] == pytest.approx(50.0)
    assert any("tent: 1 of 2 runs collapsed (step 1)" in note for note in made.groups[0].notes)
    text = (tmp_path / "report.md").read_text()
    assert "1/2 @ 1" in text


def test_a_run_that_collapsed_before_scoring_anything(tmp_path):
    empty = trajectory("tent", {"semseg": [0.4, 0.4]}, collapsed=0)
    empty.statistics.clear()
    made = report(tmp_path, trajectory("base", {"semseg": [0.4, 0.4]}), empty)
    assert row(made, "tent")["n"] == 0
    assert np.isnan(row(made, "tent").get("last/delta_mean", np.nan))


def test_all_collapsed(tmp_path):
    made = report(tmp_path, trajectory("tent", {"semseg": [0.4, np.nan]}, collapsed=1))
    assert row(made, "tent")["collapsed"] == 1
    assert [row.label for row in made.groups[0].rows] == ["tent"]


def test_nan_is_shown_and_not_dropped(tmp_path):
    made = report(
        tmp_path,
        *(trajectory("base", {"semseg": [0.4, 0.4]}, seed=s) for s in (0, 1)),
        trajectory("tent", {"semseg": [0.4, 0.5]}, seed=0),
        trajectory("tent", {"semseg": [0.4, np.nan]}, seed=1),
    )
    assert np.isnan(row(made, "tent")["last/delta_mean"])
    tent = next(r for r in made.groups[0].rows if r.method == "tent")
    assert len(tent.survivors) == 2


def test_undefined_baseline_makes_delta_undefined(tmp_path):
    made = report(
        tmp_path,
        trajectory("base", {"semseg": [0.0, 0.0], "depth": [1.0, 1.0]}),
        trajectory("tent", {"semseg": [0.1, 0.2], "depth": [0.9, 0.8]}),
    )
    assert np.isnan(row(made, "tent")["last/delta_mean"])
    assert row(made, "tent")["last/depth/rmse_mean"] == pytest.approx(0.8)


def test_missing_base_is_said(tmp_path):
    made = report(tmp_path, trajectory("tent", HAND))
    assert np.isnan(row(made, "tent")["last/delta_mean"])
    assert any("no `base` run" in note for note in made.groups[0].notes)
    assert "no `base` run" in (tmp_path / "report.md").read_text()


def test_base_of_another_seed_or_other_images_does_not_count(tmp_path):
    made = report(
        tmp_path,
        trajectory("base", still(HAND), seed=0),
        trajectory("tent", HAND, seed=1),
        trajectory("tipi", HAND, seed=0, extra={"target_fingerprint": "other"}),
    )
    assert np.isnan(row(made, "tent")["last/delta_mean"])
    assert np.isnan(row(made, "tipi")["last/delta_mean"])
    assert any("No `base` run on the same images and seed for: tent, tipi" in n for n in made.groups[0].notes)


def test_recipes_protocols_and_sizes_are_never_mixed(tmp_path):
    cells = []
    for keywords in ({}, {"recipe": "paper"}, {"protocol": "episodic"}, {"training": "joint"}, {"size": (64, 64)}):
        cells.append(trajectory("base", still(HAND), **keywords))
        cells.append(trajectory("tent", HAND, **keywords))
    cells[-1] = trajectory("tent", {"semseg": [0.4, 0.4, 0.8], "depth": [1.0] * 3}, size=(64, 64))
    # Cell ids do not tell sizes apart in the builder; the files are numbered.
    made = report(tmp_path, *cells)
    assert len(made.groups) == 5
    assert all([r.label for r in g.rows] == ["base", "tent"] for g in made.groups)
    assert row(made, "tent", size="64x64")["last/delta_mean"] == pytest.approx(50.0)
    assert row(made, "tent", recipe="paper")["last/delta_mean"] == pytest.approx(20.0)
    assert len(list((tmp_path / "tables").glob("*.md"))) == 5


def test_base_is_borrowed_across_recipes_only(tmp_path):
    made = report(
        tmp_path,
        trajectory("base", still(HAND)),
        trajectory("tent", HAND, recipe="paper"),
        trajectory("tent", HAND, protocol="episodic"),
    )
    assert row(made, "tent", recipe="paper")["last/delta_mean"] == pytest.approx(20.0)
    assert np.isnan(row(made, "tent", protocol="episodic")["last/delta_mean"])
    paper = next(g for g in made.groups if g.block.recipe == "paper")
    assert any("comes from another recipe" in note for note in paper.notes)


def test_options_make_rows_of_their_own(tmp_path):
    made = report(
        tmp_path,
        trajectory("base", still(HAND)),
        trajectory("tent", HAND, options={"lr": 0.001, "kind": "a"}),
        trajectory("tent", HAND, options={"lr": 0.01, "kind": "a"}),
        trajectory("tipi", HAND, options={"lr": 0.5}),
    )
    assert [r.label for r in made.groups[0].rows] == ["base", "tent(lr=0.001)", "tent(lr=0.01)", "tipi"]


def test_controls_come_first_then_the_papers_order_then_names(tmp_path):
    names = ("zeta", "s4t", "alpha", "tent", "bn", "base", "nctt")
    made = report(tmp_path, *(trajectory(name, HAND) for name in names))
    assert [r.method for r in made.groups[0].rows] == ["base", "bn", "tent", "nctt", "s4t", "alpha", "zeta"]


def test_metrics_in_delta_can_be_chosen(tmp_path):
    cells = (trajectory("base", still(HAND)), trajectory("tent", HAND))
    made = report(tmp_path, *cells, metrics=["depth/rmse_aligned"])
    assert [m.id for m in made.groups[0].metrics] == ["semseg/miou", "depth/rmse_aligned"]
    # Aligned error of uncorrelated noise of variance v over truth of variance 1 is v / (1 + v).
    aligned = [np.sqrt(v / (1 + v)) for v in (1.0, 0.64)]
    assert row(made, "tent")["last/delta_mean"] == pytest.approx((20 + 100 * (1 - aligned[1] / aligned[0])) / 2)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [(["depth/rmes"], "Did you mean 'depth/rmse'"), (["depth/rmse", "depth/rmse_aligned"], "both of depth")],
)
def test_wrong_metrics_are_refused(tmp_path, metrics, said):
    with pytest.raises(UserError, match=said):
        report(tmp_path, trajectory("base", HAND), metrics=metrics)


def test_negative_fixed_step_is_refused(tmp_path):
    with pytest.raises(UserError, match="fixed-step"):
        report(tmp_path, trajectory("base", HAND), fixed_step=-1)


def test_cost_is_relative_to_bases_forward(tmp_path):
    made = report(tmp_path, trajectory("base", still(HAND)), trajectory("tent", HAND, seconds=0.35))
    tent = row(made, "tent")
    assert tent["cost/seconds_mean"] == pytest.approx(0.35)
    assert tent["cost/relative_mean"] == pytest.approx(3.5)
    assert tent["cost/forwards_mean"] == 1.0
    assert tent["cost/memory_mean"] == 64 * 2**20
    assert tent["cost/updated_mean"] == 20_000


def test_delta_baseline_travels_with_its_hash(tmp_path):
    made = report(tmp_path, trajectory("base", still(HAND)), trajectory("tent", HAND))
    first, second = (s for r in made.groups[0].rows for s in r.runs)
    assert first.base_hash == second.base_hash != ""
    np.testing.assert_allclose(second.base_values, [0.4, 1.0])


@pytest.mark.parametrize(
    ("miou", "step"),
    [
        ([0.40, 0.30, 0.25], None),  # -37.5 % is bad, not collapsed
        ([0.40, 0.10, 0.05], 1),
        ([0.40, 0.10, 0.30], None),  # it recovered
        ([0.10, 0.10, 0.10], 0),
        ([0.40, 0.30, 0.20], 2),  # -50 % exactly
    ],
)
def test_a_run_far_below_source_to_the_end_has_collapsed(tmp_path, miou, step):
    cells = [trajectory("base", {"semseg": [0.40] * 3}), trajectory("bn", {"semseg": [0.40] * 3})]
    made = report(tmp_path, *cells, trajectory("tent", {"semseg": miou}))
    tent = row(made, "tent")
    assert tent["collapsed"] == (0 if step is None else 1)
    if step is not None:
        assert tent["collapsed_steps"] == str(step)
        assert np.isnan(tent["last/delta_mean"])
    assert row(made, "base")["collapsed"] == 0
