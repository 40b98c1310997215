"""Reading at equal compute."""

import numpy as np
import pandas as pd
import pytest
from report.synthetic import save, trajectory

from ttt_bench.errors import UserError
from ttt_bench.report import build_report
from ttt_bench.report.budget import read_budget
from ttt_bench.report.loading import work_until


def test_work_is_forwards_and_twice_backwards_of_the_updates_before_a_step():
    forwards, backwards = np.array([[1.0, 1, 2], [1, 1, np.nan]]), np.array([[1.0, 0, 1], [1, 0, np.nan]])
    assert work_until((0, 1, 2, 3), forwards, backwards).tolist() == [0.0, 3.0, 4.0, 8.0]
    assert work_until((0, 2), np.zeros((2, 0)), np.zeros((2, 0))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("text", "value"), [("2x", 2.0), ("30", 30.0), (" 1.5 X", 1.5)])
def test_a_budget_is_a_multiple(text, value):
    assert read_budget(text) == value


@pytest.mark.parametrize("text", ["", "x", "0x", "-1", "nan", "2y", "inf"])
def test_other_budgets_are_refused(text):
    with pytest.raises(UserError, match="--budget"):
        read_budget(text)


@pytest.fixture
def folder(tmp_path):
    falling = [1.0, 0.9, 0.8, 0.7, 0.6]
    return save(
        tmp_path, trajectory("base", {"depth": [1.0] * 5}), trajectory("bn", {"depth": [0.9] * 5}),
        trajectory("tent", {"depth": falling}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "step", "delta"), [(None, 4, 40.0), (7.0, 2, 20.0), (6.0, 2, 20.0), (5.9, 1, 10.0), (2.0, 0, 0.0)]
)
def test_every_number_is_read_at_the_last_step_that_fits(folder, tmp_path, budget, step, delta):
    report = build_report(folder, tmp_path / "out", budget=budget, figures=False)
    group = report.groups[0]
    measures = group.row("tent").runs[0].measures
    assert measures["last/step"] == step
    assert measures["last/delta"] == pytest.approx(delta)
    assert measures["last/delta_bn"] == pytest.approx(delta - 10)
    assert measures["cost/spent"] == 3.0 * step
    assert group.uncertainty.rows["tent"].delta.estimate == pytest.approx(delta)
    said = " ".join(group.notes)
    assert ("equal compute" in said) == (budget is not None)
    assert ("Not one update fits for tent" in said) == (budget == 2.0)
    steps = pd.read_parquet(tmp_path / "out" / "trajectories.parquet")
    tent = steps[steps["method"] == "tent"]
    assert tent["step"].max() == step
    assert tent["spent"].max() == 3.0 * step


def test_latency_counts_the_updates_and_one_prediction(folder, tmp_path):
    group = build_report(folder, tmp_path / "out", figures=False).groups[0]
    assert group.row("tent").runs[0].run.latency == pytest.approx((4 * 0.2 + 0.1) / 8)
    assert group.row("base").runs[0].run.latency == pytest.approx(0.1 / 8)
