"""The synchronisation metrics against golden vectors, an independent DTW, and as properties."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_bench.metrics import (
    cosine_similarity,
    cosine_similarity_many,
    delta,
    dtw,
    dtw_many,
    gains,
    peak_steps,
    plateau_step_variance,
    step_variance,
    step_variance_many,
)

CASES = json.loads((Path(__file__).resolve().parents[1] / "golden/proposed_sync.json").read_text())["cases"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden(name):
    case = CASES[name]
    expected, tolerance = case["expected"], case["tolerance"]
    values = np.array(case["P"], dtype=float)
    higher = [not lower for lower in case["lower"]]
    steps = case.get("steps")

    def close(got, key):
        np.testing.assert_allclose(got, expected[key], **tolerance, err_msg=key)

    oriented = gains(values, values[:, 0], higher)
    close(oriented, "gain")
    close(delta(values, values[:, 0], higher), "delta")
    close(peak_steps(oriented, steps), "best_steps")
    close(step_variance(oriented, steps), "sv")
    close(dtw(oriented), "dtw_unit_range")
    close(dtw(oriented, normalise=False), "dtw_percent")
    close(cosine_similarity(oriented), "cs")


def naive_dtw(a, b):
    """O(S^2) dynamic programme, written down from the definition."""
    best = np.full((len(a) + 1, len(b) + 1), np.inf)
    best[0, 0] = 0
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            best[i, j] = abs(a[i - 1] - b[j - 1]) + min(best[i - 1, j], best[i, j - 1], best[i - 1, j - 1])
    return best[-1, -1]


stacks = hnp.arrays(
    float,
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 9)),
    elements=st.floats(-100, 100).map(lambda x: round(x, 3)),
)


@settings(deadline=None)
@given(stacks, st.booleans())
def test_dtw_of_many_runs_is_tslearns_of_each(stack, normalise):
    expected = [dtw(run, normalise) for run in stack]
    np.testing.assert_allclose(dtw_many(stack, normalise), expected, rtol=1e-12, atol=1e-12)


def test_dtw_of_many_runs_keeps_nan_to_its_own_run():
    stack = np.array([[[0.0, 1, 2], [2, 1, 0]], [[0, np.nan, 2], [2, 1, 0]], [[0, 1, 5], [1, 1, 0]]])
    got = dtw_many(stack)
    assert np.isnan(got[1])
    np.testing.assert_allclose(got[[0, 2]], [dtw(stack[0]), dtw(stack[2])])
    assert dtw_many(np.empty((0, 2, 3))).shape == (0,)
    with pytest.raises(ValueError, match="runs, tasks, steps"):
        dtw_many(np.zeros((2, 3)))


trajectories = hnp.arrays(
    float,
    st.tuples(st.integers(1, 4), st.integers(2, 8)),
    elements=st.floats(-100, 100).map(lambda x: round(x, 3)),
)


@settings(deadline=None)
@given(trajectories)
def test_dtw_agrees_with_the_naive_programme(rows):
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    expected = np.mean([naive_dtw(a, b) for a, b in pairs]) if pairs else 0.0
    assert dtw(rows, normalise=False) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    unit = np.array([(r - r.min()) / (np.ptp(r) or 1.0) for r in rows])
    pairs = [(a, b) for i, a in enumerate(unit) for b in unit[i + 1 :]]
    assert dtw(rows) == pytest.approx(np.mean([naive_dtw(a, b) for a, b in pairs]) if pairs else 0.0, abs=1e-9)


@settings(deadline=None)
@given(trajectories)
def test_bounds(rows):
    steps = rows.shape[1] - 1
    assert 0 <= step_variance(rows) <= (steps / 2) ** 2 + 1e-9
    assert 0 <= plateau_step_variance(rows) <= (steps / 2) ** 2 + 1e-9
    assert 0 <= dtw(rows) <= steps + 1 + 1e-9  # the diagonal is a path and each of its costs is at most 1
    assert -1 <= cosine_similarity(rows) <= 1
    assert (peak_steps(rows, plateau=0.1) <= peak_steps(rows)).all()


@settings(deadline=None)
@given(trajectories, st.floats(0.1, 10), st.floats(-50, 50))
def test_scale_and_offset_of_a_task_do_not_matter(rows, scale, offset):
    moved = rows.copy()
    moved[0] = rows[0] * scale + offset
    assert dtw(moved) == pytest.approx(dtw(rows), abs=1e-6)
    assert cosine_similarity(moved) == pytest.approx(cosine_similarity(rows), abs=1e-6)


@settings(deadline=None)
@given(trajectories)
def test_order_of_tasks_does_not_matter(rows):
    for metric in (step_variance, plateau_step_variance, dtw, cosine_similarity):
        assert metric(rows[::-1]) == pytest.approx(metric(rows), abs=1e-9)


@settings(deadline=None)
@given(trajectories.map(lambda rows: np.repeat(rows[:1], 3, axis=0)))
def test_identical_tasks_are_in_step(rows):
    assert step_variance(rows) == 0
    assert dtw(rows) == 0
    assert dtw(rows, normalise=False) == 0
    assert cosine_similarity(rows) == pytest.approx(1.0)


def test_tslearns_own_dtw_is_another_quantity():
    """Guards the choice of function: its ``dtw`` takes the root of summed squares."""
    from tslearn.metrics import dtw as root_of_squares

    a, b = np.array([0.0, 3.0, 0.0]), np.array([0.0, 0.0, 4.0])
    assert dtw(np.stack([a, b]), normalise=False) == pytest.approx(naive_dtw(a, b))
    assert root_of_squares(a, b) != pytest.approx(naive_dtw(a, b))


def test_plateau_ignores_the_last_crumbs():
    rows = [[0, 9.5, 9.9, 10.0], [0, 10, 9.9, 9.8]]
    np.testing.assert_array_equal(peak_steps(rows), [3, 1])
    np.testing.assert_array_equal(peak_steps(rows, plateau=0.1), [1, 1])
    assert step_variance(rows) == 1.0
    assert plateau_step_variance(rows) == 0.0


def test_steps_and_not_columns_are_the_axis():
    assert step_variance([[0, 1, 2], [2, 1, 0]], steps=[0, 10, 40]) == 400.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("tasks", [1, 2])
def test_nan_in_nan_out(bad, tasks):
    rows = np.array([[0.0, bad, 1.0], [0.0, 1.0, 2.0]])[:tasks]
    for metric in (step_variance, plateau_step_variance, dtw, cosine_similarity):
        assert np.isnan(metric(rows)), metric.__name__
    assert np.isnan(dtw(rows, normalise=False))


def test_one_task_is_in_step_with_itself():
    assert step_variance([[0, 3, 1]]) == 0
    assert dtw([[0, 3, 1]]) == 0
    assert cosine_similarity([[0, 3, 1]]) == 1


def test_one_step_only():
    assert step_variance([[1.0], [2.0]]) == 0
    assert dtw([[1.0], [2.0]]) == 0
    assert cosine_similarity([[1.0], [2.0]]) == 1


@pytest.mark.parametrize("bad", [[1.0, 2.0], np.empty((0, 3)), np.empty((2, 0))])
def test_wrong_shapes_are_refused(bad):
    with pytest.raises(ValueError, match="trajectories"):
        step_variance(bad)


def test_steps_must_fit():
    with pytest.raises(ValueError, match="steps"):
        step_variance([[1.0, 2.0]], steps=[0, 1, 2])


def test_import_stays_light():
    code = "import sys, ttt_bench.metrics; sys.exit(any(m in sys.modules for m in ('tslearn', 'torch', 'pandas')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_runs_at_once_are_each_alone():
    stack = np.random.default_rng(0).normal(size=(6, 3, 9))
    stack[1, 0], stack[2, 1, 4], stack[3] = 2.0, np.nan, 0.0
    steps = np.arange(9) * 3
    for many, one in (
        (step_variance_many(stack, steps), lambda rows: step_variance(rows, steps)),
        (step_variance_many(stack, steps, 0.1), lambda rows: plateau_step_variance(rows, steps)),
        (cosine_similarity_many(stack), cosine_similarity),
    ):
        np.testing.assert_array_equal(many, [one(rows) for rows in stack])
        assert np.isnan(many[2])
        assert np.isfinite(np.delete(many, 2)).all()
    assert cosine_similarity_many(stack[:, :1])[[0, 3]].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="runs, tasks, steps"):
        cosine_similarity_many(stack[0])
