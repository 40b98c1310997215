"""Scores over many spans of batches at once, against one call for each."""

from __future__ import annotations

import numpy as np
import pytest

from ttt_bench.report import reduction
from ttt_bench.report.reduction import Pooling, over_spans, reduce_statistic, window_starts
from ttt_bench.store import Trajectory
from ttt_bench.store.cell_file import CellFile
from ttt_bench.tasks import TASKS

SHAPES = {
    "semseg/confusion": (5, 5), "depth/moments": (6,), "normal/angles": (5,), "edge/moments": (6,),
    "edge/histogram": (2, 64), "class/counts": (9, 3), "class/calibration": (15, 3), "class/nll": (2,),
}  # fmt: skip
METRICS = [metric for task in TASKS.values() for metric in task.metrics]
SPANS = [(0, 3), (1, 4), (2, 5), (3, 16), (16, 29), (5, 5), (28, 29)]


def one_by_one(metric, ends, spans):
    """The naive form."""
    return np.array([metric.compute(ends[first:end]) for first, end in spans]).reshape(len(spans), 2)


def statistic_of(metric, batches=29, steps=4):
    """No whole numbers, so that another order of adding up would show."""
    rng = np.random.default_rng(sum(map(ord, metric.id)))
    shape = (batches, steps, *SHAPES[metric.statistic])
    if metric.statistic == "class/counts":
        return rng.integers(0, 50, shape).astype(float)  # added up over two axes at once: always counts of images
    return rng.gamma(1.0, 1e3, shape)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
@pytest.mark.parametrize("together", [1, 5_000, 2**22])
def test_spans_that_go_in_together_score_as_each_alone(metric, together, monkeypatch):
    monkeypatch.setattr(reduction, "TOGETHER", together)
    ends = statistic_of(metric)[:, [0, -1]]
    found = over_spans(metric, ends, SPANS)
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(found, one_by_one(metric, ends, SPANS))
    assert over_spans(metric, ends, []).shape == (0, 2)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
def test_every_part_of_a_reduction_is_that_of_the_naive_form(metric, tmp_path):
    statistic = statistic_of(metric)
    rest = [np.ones((29, 4)) for _ in range(5)]
    cell = {"pair": "a->b", "method": "base", "seed": 0}
    Trajectory("x", cell, {}, (0, 1, 2, 5), {metric.statistic: statistic}, *rest).save(tmp_path / "x.npz")
    windows = window_starts(29, (16, 13))
    pooling = Pooling(windows, None, (16, 13))
    with CellFile(tmp_path / "x.npz") as file:
        found = reduce_statistic(file, f"statistics/{metric.statistic}", [metric], pooling)[metric.id]
    ends = statistic[:, [0, -1]]
    np.testing.assert_array_equal(found.values, metric.compute(statistic))
    np.testing.assert_array_equal(found.stream, one_by_one(metric, ends, [(b, b + 1) for b in range(29)]))
    spans = [(first, first + windows.width) for first in windows.starts.tolist()]
    np.testing.assert_array_equal(found.window, one_by_one(metric, ends, spans))
    np.testing.assert_array_equal(found.segments, one_by_one(metric, ends, [(0, 16), (16, 29)]))
