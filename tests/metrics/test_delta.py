"""Delta against the paper's own tables, by hand and as properties."""

from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_bench.metrics import delta, gains

MISPRINTS = {("taskonomy->pascal", "TTTFlow"): (27.97, 24.96), ("pascal->taskonomy", "TENT"): (-0.18, -18.48)}
HIGHER = {"miou": True, "rmse": False, "mean_angle": False}


def printed():
    """(pair, method) -> (metric values, directions, printed Delta) of the paper's Tables 1 and 7."""
    rows = defaultdict(lambda: ([], [], []))
    text = files("ttt_bench.report").joinpath("paper_tables.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["table"] not in ("1", "7"):
            continue
        values, directions, deltas = rows[row["pair"], row["method"]]
        if row["metric"] == "delta":
            deltas.append(float(row["mean"]))
        else:
            values.append(float(row["mean"]))
            directions.append(HIGHER[row["metric"]])
    return rows


def test_delta_reproduces_the_papers_tables_but_for_two_misprints():
    rows = printed()
    methods = [key for key in rows if key[1] != "Base"]
    assert len(methods) == 36
    agreeing = 0
    for pair, method in methods:
        values, directions, (stated,) = rows[pair, method]
        base = rows[pair, "Base"][0]
        ours = float(delta(values, base, directions))
        if (pair, method) in MISPRINTS:
            wrong, right = MISPRINTS[pair, method]
            assert stated == wrong
            assert ours == pytest.approx(right, abs=0.01)
        else:
            assert ours == pytest.approx(stated, abs=0.07), (pair, method)
            agreeing += 1
    assert agreeing == 34


def test_gains_by_hand():
    got = gains([[20, 22, 18], [1.0, 0.9, 1.2]], [20, 1.0], [True, False])
    np.testing.assert_allclose(got, [[0, 10, -10], [0, 10, -20]], atol=1e-12)
    np.testing.assert_allclose(delta([[20, 22, 18], [1.0, 0.9, 1.2]], [20, 1.0], [True, False]), [0, 10, -15])


def test_delta_of_a_vector_is_a_scalar():
    assert delta([22, 0.9], [20, 1.0], [True, False]).shape == ()


@pytest.mark.parametrize("base", [0.0, 1e-13, -1e-13, np.nan])
def test_undefined_baseline_is_nan_and_not_dropped(base):
    got = gains([1.0, 22.0], [base, 20.0], [True, True])
    assert np.isnan(got[0])
    assert got[1] == pytest.approx(10.0)
    assert np.isnan(delta([1.0, 22.0], [base, 20.0], [True, True]))


def test_nan_in_nan_out():
    got = delta([[1.0, np.nan], [2.0, 2.0]], [1.0, 2.0], [True, True])
    assert got[0] == 0
    assert np.isnan(got[1])


@pytest.mark.parametrize(
    ("values", "base", "higher"),
    [
        ([1.0, 2.0], [1.0], [True, True]),
        ([1.0], [1.0], [True, False]),
        ([[[1.0]]], [1.0], [True]),
        ([], [], []),
    ],
)
def test_shapes_that_do_not_fit_are_refused(values, base, higher):
    with pytest.raises(ValueError, match=r"tasks"):
        delta(values, base, higher)


positive = st.floats(1e-3, 1e3)


@st.composite
def scored(draw):
    tasks = draw(st.integers(1, 4))
    steps = draw(st.integers(1, 6))
    values = draw(hnp.arrays(float, (tasks, steps), elements=positive))
    base = draw(hnp.arrays(float, tasks, elements=positive))
    higher = draw(st.lists(st.booleans(), min_size=tasks, max_size=tasks))
    return values, base, higher


@given(scored(), st.data(), st.floats(1e-3, 0.5))
def test_better_metric_larger_delta(case, data, share):
    values, base, higher = case
    task = data.draw(st.integers(0, len(base) - 1))
    better = values.copy()
    better[task] *= 1 + share if higher[task] else 1 - share
    assert (delta(better, base, higher) > delta(values, base, higher)).all()


@given(scored(), st.floats(1e-3, 1e3))
def test_units_do_not_matter(case, unit):
    values, base, higher = case
    np.testing.assert_allclose(
        gains(values * unit, base * unit, higher), gains(values, base, higher), rtol=1e-6, atol=1e-7
    )


@given(scored())
def test_order_of_tasks_does_not_matter_and_base_has_zero(case):
    values, base, higher = case
    np.testing.assert_allclose(
        delta(values[::-1], base[::-1], higher[::-1]), delta(values, base, higher), rtol=1e-9, atol=1e-9
    )
    assert delta(base, base, higher) == 0
