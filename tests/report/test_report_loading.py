"""Cells that several processes read: the same runs and the same warnings, in the same order."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from synthetic import save, trajectory

from ttt_bench import plugins
from ttt_bench.report import loading, sharing
from ttt_bench.report.loading import load_runs

TASK = """
from ttt_bench.tasks import Metric
from ttt_bench.tasks.semseg import Semseg, pixel_accuracy


class Twice(Semseg):
    name = "twice"
    metrics = (Metric("twice/share", "share", "%", True, "twice/confusion", pixel_accuracy),)
"""


@pytest.fixture
def folder(tmp_path):
    values = {"semseg": [0.4, 0.5], "depth": [1.0, 0.9]}
    made = [trajectory(method, values, seed=s) for s in range(3) for method in ("base", "bn", "tent")]
    more = [{**each.statistics, "twice/confusion": each.statistics["semseg/confusion"]} for each in made]
    save(tmp_path, *(replace(each, statistics=statistics) for each, statistics in zip(made, more, strict=True)))
    for name, content in (("0001_bad", b"PK no archive"), ("zz", b"")):
        (tmp_path / "cells" / f"{name}.npz").write_bytes(content)
    return tmp_path


def test_several_processes_read_what_one_reads(folder, tmp_path, monkeypatch):
    """A task that was given by its file is known in them, too."""
    monkeypatch.setattr(loading, "CHUNK", 2)
    (tmp_path / "twice.py").write_text(TASK)
    plugins.use({"task": [tmp_path / "twice.py"]})
    try:
        alone, said = load_runs(folder)
        monkeypatch.setattr(loading, "WORTH_A_POOL", 2)
        monkeypatch.setattr(sharing.Open, "last", lambda open: None)  # this process reads nothing any more
        seen = []
        shared, said_too = load_runs(folder, lambda done, total, what: seen.append((done, total)), workers=2)
    finally:
        plugins.use({})
    assert seen == [(done, 11) for done in (2, 4, 6, 8, 10, 11)]
    assert said_too == said
    assert len(said) == 2
    assert len(shared) == len(alone) == 9
    for one, other in zip(alone, shared, strict=True):
        assert "twice/share" in other.values
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))


def test_few_cells_start_no_process(folder, monkeypatch):
    monkeypatch.setattr(sharing, "ProcessPoolExecutor", None)
    assert len(load_runs(folder, workers=8)[0]) == 9


def assert_same(one, other):
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other or (one != one and other != other)
