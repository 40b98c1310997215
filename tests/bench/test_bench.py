"""The benchmark's bookkeeping: what it counts and how it prints; how long things take is not tested."""

import json

import pytest
import torch

from ttt_bench.bench import config as configs
from ttt_bench.bench import run as bench_run
from ttt_bench.bench.config import BenchConfig
from ttt_bench.bench.scale import scale_costs
from ttt_bench.bench.timing import Timing, time_interleaved
from ttt_bench.method import registry
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.store.trajectory import Trajectory

pytestmark = pytest.mark.slow

HARNESS = {
    "cell_seconds": 2.0, "arithmetic_seconds": 1.9, "overhead_share": 0.05, "batch_seconds": 0.001, "save_seconds": 0.01,
    "load_seconds": 0.01, "cells": 1012.0, "help_seconds": 0.5, "methods_seconds": 0.5, "plan_seconds": 0.8,
    "report_seconds": 6.0, "rerun_seconds": 0.9,
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    tiny = BenchConfig("tiny", NetworkConfig("resnet10", "conv"), (64, 64), 4, 7, 1)
    monkeypatch.setitem(configs.CONFIGS, "tiny", tiny)
    monkeypatch.setattr(bench_run, "peak_memory", lambda *_: 2**30)
    monkeypatch.setattr(bench_run, "harness_costs", lambda: HARNESS)


def test_json_has_every_ratio_of_every_method(run, tiny):
    code, out, err = run("bench", "--config", "tiny", "--repeats", "1", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found["methods"]) == set(registry.discover())
    assert found["provenance"]["precision"] == "fp32"
    for name, each in found["methods"].items():
        assert each["eval_ratio"] > 0, name
        assert each["memory_ratio"] == 1.0, name
        assert (each["step_ratio"] is None) == (name == "base"), name
    passes = {name: (each["forwards"], each["forwards_with_graph"]) for name, each in found["methods"].items()}
    assert passes["bn"] == (1, 0)
    assert passes["tent"] == passes["actmad"] == passes["s4t"] == (0, 1)
    assert passes["tipi"] == (0, 3)
    assert passes["ttt"] == (0, pytest.approx(4 * (56 / 64) ** 2))
    tent = found["methods"]["tent"]
    assert tent["forced_ratio"] == pytest.approx(1.0)
    assert 0.5 < tent["flops_ratio"] < 1.5
    assert found["methods"]["bn"]["forced_ratio"] == pytest.approx(
        found["encoder"]["forward_seconds"] / found["encoder"]["forward_backward_seconds"]
    )


def test_the_table_names_every_method_and_says_what_the_harness_costs(run, tiny):
    code, out, err = run("bench", "--config", "tiny", "--repeats", "1", "--precision", "bf16")
    assert code == 0, err
    assert "bf16" in out
    assert all(name in out for name in registry.discover())
    assert "overhead 5.0 %" in out
    assert "sweep again 0.9 s" in out


@pytest.mark.parametrize(("option", "value"), [("--precision", "bf61"), ("--config", "papier")])
def test_unknown_words_are_named(run, option, value):
    code, _, err = run("bench", option, value)
    assert code == 2
    assert value in err


def test_a_timing_is_the_median_of_its_rounds(monkeypatch):
    rounds = iter([5.0, 1.0, 3.0])
    monkeypatch.setattr("ttt_bench.bench.timing._timed", lambda *_: next(rounds))
    subject = bench_run.Subject("product", lambda: torch.ones(2, 3) @ torch.ones(3, 4))
    assert time_interleaved([subject], 3, "cpu") == {"product": Timing(3.0, (5 - 1) / 3, 2 * 2 * 3 * 4)}


def test_a_thousand_cells_are_found_done(tmp_path, monkeypatch):
    import numpy as np

    monkeypatch.setattr("ttt_bench.bench.scale.SEEDS", 2)
    shape = (2, 3)
    measured = Trajectory(
        "x", {}, {}, (0, 1, 2), {"depth/moments": np.ones((*shape, 6))}, np.ones((2, 2)), np.ones((2, 2)),
        np.ones(shape), np.ones((2, 2)), np.ones((2, 2)), {"collapsed_step": None, "collapse_reason": ""},
    )  # fmt: skip
    costs = scale_costs(measured, tmp_path)
    cells = 2 * 2 * len(registry.discover())
    assert costs["cells"] == cells
    assert all(seconds > 0 for seconds in costs.values())
    assert len(list((tmp_path / "main/cells").glob("*.npz"))) == cells
    assert (tmp_path / "main/report.md").exists()
