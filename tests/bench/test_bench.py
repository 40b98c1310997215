"""The benchmark's bookkeeping: what it counts and how it prints; how long things take is not tested."""

import json

import pytest
import torch

from ttt_bench import plugins
from ttt_bench.bench import config as configs
from ttt_bench.bench import run as bench_run
from ttt_bench.bench.config import BenchConfig, bench_config, with_network
from ttt_bench.bench.scale import scale_costs
from ttt_bench.bench.timing import Timing, peak_memory, time_interleaved
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
    tiny = BenchConfig("tiny", NetworkConfig("resnet10", "conv"), (64, 64), 8, 7, 1)
    monkeypatch.setitem(configs.CONFIGS["dense"], "tiny", tiny)
    small = BenchConfig("tiny", NetworkConfig("resnet10", "linear"), (32, 32), 4, 7, 1, "class")
    monkeypatch.setitem(configs.CONFIGS["class"], "tiny", small)
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
        assert (each["step_ratio"] is None) == (name in {"base", "ptbn"}), name
    passes = {name: (each["forwards"], each["forwards_with_graph"]) for name, each in found["methods"].items()}
    assert passes["bn"] == (1, 0)
    assert passes["tent"] == passes["actmad"] == passes["s4t"] == (0, 1)
    assert passes["tipi"] == (0, 3)
    assert passes["ttt"] == (0, pytest.approx(4 * (56 / 64) ** 2))
    assert passes["tttpp"] == (0, 4)
    assert found["methods"]["tttpp"]["flops_ratio"] > 3.5, "counted while its queue was filling"
    assert found["left_out"] == {}
    assert found["harness"] == HARNESS
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


def test_the_class_track_measures_class_forms_and_says_who_has_none(run, tiny):
    code, out, err = run("bench", "--config", "tiny", "--track", "class", "--repeats", "1", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["track"], found["size"], found["batch_size"]) == ("class", [32, 32], 4)
    assert set(found["methods"]) | set(found["left_out"]) == set(registry.discover())
    assert set(found["left_out"]) == {"s4t"}
    assert "predictions per pixel" in found["left_out"]["s4t"]
    assert found["harness"] is None
    passes = {name: each["forwards_with_graph"] for name, each in found["methods"].items()}
    assert passes["ttt"] == 1, "one view of each image, as published for images"
    assert passes["cta"] == 2


def test_other_networks_are_measured_and_refusals_are_reasons(run, tiny):
    options = ("--backbone", "hrnet18", "--size", "32", "--batch-size", "2", "--repeats", "1")
    code, out, err = run("bench", "--config", "tiny", "--track", "class", *options, "--json")
    assert code == 0, err
    assert "stages that follow each other" in json.loads(out)["left_out"]["ttt"]
    code, out, err = run("bench", "--config", "tiny", "--architecture", "mtinet", *options[2:])
    assert code == 0, err
    assert "resnet10 (mtinet), 32x32, batch 2" in out
    assert "overhead" not in out, "no network changes what the harness costs"
    code, _, err = run("bench", "--config", "tiny", "--track", "class", "--architecture", "mtinet")
    assert code == 2
    assert "answer per pixel" in err


def test_a_network_is_the_configurations_with_what_is_given():
    paper = bench_config("paper", "class")
    assert with_network(paper) == paper
    other = with_network(paper, "hrnet18", size=(64, 96), batch=2)
    assert (other.network.backbone, other.network.stem, other.size, other.batch) == ("hrnet18", "", (64, 96), 2)
    assert with_network(paper, "resnet18").network.stem == "cifar"


def test_memory_is_of_the_network_asked_for_in_a_process_of_its_own(tmp_path):
    text = (
        "from ttt_bench.networks.multitask import MultiTask\n\n\n"
        "class Wide(MultiTask):\n    name = 'wide'\n\n"
        "    def __init__(self, *args):\n        super().__init__(*args)\n"
        "        import torch\n        self.encoder.register_buffer('ballast', torch.ones(100_000_000))\n"
    )
    file = tmp_path / "wide.py"
    file.write_text(text)
    plugins.use({"network": (file,)})
    try:
        small = with_network(bench_config("small"), size=(32, 32), batch=2)
        wide = with_network(small, files=(file,))
        plain, with_ballast = (peak_memory(config, "encoder forward", "cpu") for config in (small, wide))
    finally:
        plugins.use({})
    assert with_ballast - plain > 300_000_000


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--precision", "bf61"), ("--config", "papier"), ("--track", "dens"), ("--backbone", "resnet51"),
        ("--architecture", "mti"), ("--size", "x"), ("--size", "16"), ("--batch-size", "0"),
    ],
)  # fmt: skip
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
