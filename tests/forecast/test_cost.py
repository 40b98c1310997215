"""The cost line of a plan: what it counts, what it is computed from, and that a probe times real work."""

import hashlib

import pytest
from tiny_sweep import TINY

from ttt_bench.forecast.arithmetic import multiply_adds
from ttt_bench.forecast.cost import (
    MULTIPLY_ADDS,
    REFERENCE_SECONDS,
    cost_of,
    counted_seconds,
    encoder_seconds,
    is_listed,
    span,
    stated_forecast,
)
from ttt_bench.forecast.forecast import Forecast
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.config import IMAGENET_FILES, NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import PRESETS, SweepConfig
from ttt_bench.plan.work import Adapt, Context, Decode, Fit, Train, lay_out
from ttt_bench.store.folder import SweepFolder


def plan(methods="s4t,tttflow", **changes):
    config = SweepConfig(
        pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods(methods)), **{**PRESETS["paper"], **changes}
    )
    return make_plan(config)


def context(tmp_path):
    return Context(tmp_path / "main", tmp_path / "cache", {})


def test_the_papers_configuration_is_the_reference():
    paper = NetworkConfig("resnet50")
    assert encoder_seconds(paper, (256, 256), 8) == REFERENCE_SECONDS
    assert encoder_seconds(paper, (128, 256), 4) == pytest.approx(REFERENCE_SECONDS / 4)
    assert encoder_seconds(NetworkConfig("resnet18"), (256, 256), 8) < 0.5 * REFERENCE_SECONDS
    assert (
        encoder_seconds(NetworkConfig("resnet10"), (64, 64), 8)
        > encoder_seconds(NetworkConfig("resnet10"), (128, 128), 8) / 4
    ), "small images are dearer by the pixel"


@pytest.mark.parametrize(
    ("listed", "alike"),
    [("resnet18", "timm:resnet18"), ("resnet50", "timm:resnet50"), ("resnet26", "resnet26")],
)
def test_what_is_counted_is_what_the_table_says(listed, alike):
    if alike.startswith("timm:"):
        pytest.importorskip("timm")
    size = (32, 32) if listed == "resnet26" else (224, 224)
    source = plan(network=NetworkConfig(alike), size=size, seeds=(0,)).sources[0]
    adds = multiply_adds(source)
    if listed in MULTIPLY_ADDS:
        assert adds == pytest.approx(MULTIPLY_ADDS[listed], rel=0.06), "the light heads are counted too"
    assert counted_seconds(adds, size, 8) == pytest.approx(encoder_seconds(NetworkConfig(listed), size, 8), rel=0.06)


def test_networks_that_no_table_lists_are_counted_and_that_is_said(tmp_path):
    assert not any(
        is_listed(NetworkConfig(backbone, architecture=architecture))
        for backbone, architecture in (("hrnet18", "multitask"), ("resnet50", "mtinet"), ("timm:resnet18", "multitask"))
    )
    light, dense = (
        stated_forecast(
            plan("tent", network=NetworkConfig("resnet18", architecture=architecture), seeds=(0,)),
            SweepFolder(tmp_path),
        )
        for architecture in ("multitask", "mtinet")
    )
    assert dense.default > 1.2 * light.default, "MTI-Net's decoder counts"
    assert "counted" not in light.basis
    assert "mtinet on resnet18 has" in dense.basis
    assert "multiply-adds per image, counted" in dense.basis


def test_a_network_that_cannot_be_counted_is_named(tmp_path, monkeypatch):
    def fail(_source):
        raise RuntimeError("no such layer\nmore")

    monkeypatch.setattr("ttt_bench.forecast.arithmetic.multiply_adds", fail)
    made = plan("tent", network=NetworkConfig("hrnet18"), seeds=(0,))
    forecast = stated_forecast(made, SweepFolder(tmp_path))
    said = "the arithmetic of hrnet18 could not be counted (no such layer), ResNet-50's stands for it"
    assert said in forecast.basis
    assert forecast.training == pytest.approx(2 * 1.3 * encoder_seconds(NetworkConfig("resnet50"), (256, 256), 8))


def test_hours_are_iterations_times_the_stated_figure(tmp_path):
    made = plan(seeds=(0,))
    forecast = stated_forecast(made, SweepFolder(tmp_path / "main"))
    cost = cost_of(made, context(tmp_path), forecast)
    assert cost.pieces == {Decode: 2, Train: 2, Fit: 2, Adapt: 4}
    assert cost.seconds[Train] == pytest.approx(2 * 60_000 * forecast.training)
    batches, scored = 10_000 // 8, 13
    adapted = 3 * batches * 40 * forecast.default  # bn, s4t, tttflow
    evaluations = (3 * scored + 1) * batches  # base never changes: once is enough
    assert cost.seconds[Adapt] == pytest.approx(adapted + evaluations * forecast.default / 2)
    first, second = cost.lines
    assert "2 source trainings" in first
    assert "4 cells" in first
    assert "stated for CPU cores" in second
    assert "nothing is measured yet" in second


def test_a_branch_trained_with_the_network_is_not_fitted_again(tmp_path):
    made = plan("s4t,tttflow", seeds=(0,))
    forecast = Forecast(1.0, known=stated_forecast(made, SweepFolder(tmp_path)).known)
    fits = {work.branches[0].method: forecast(work) for work in lay_out(made) if isinstance(work, Fit)}
    assert fits["s4t"] == 0
    assert fits["tttflow"] == 20_000
    shared = plan("s4t", seeds=(0,), trainings=("shared",))
    assert [forecast(work) for work in lay_out(shared) if isinstance(work, Fit)] == [20_000]


def test_single_adapts_one_batch(tmp_path):
    costs = [
        cost_of(made, context(tmp_path), Forecast(1.0)).seconds[Adapt]
        for made in (plan(protocols=(p,), seeds=(0,)) for p in ("online", "single"))
    ]
    assert costs[1] < costs[0] / 5


def test_hours_for_people():
    assert [span(s) for s in (45, 600, 7200, 3_600_000)] == ["45 s", "10 min", "2.0 h", "1,000 h"]


@pytest.mark.slow
def test_what_is_there_costs_nothing_and_what_was_measured_is_used(run):
    options = [*TINY, "--seeds"]
    code, out, _ = run("plan", *options, "1")
    assert code == 0
    assert "nothing is measured yet" in out
    run("sweep", *options, "1", "--no-figures", "--device", "cpu")
    _, out, _ = run("plan", *options, "1")
    assert "cost: nothing is left to do" in out
    _, out, _ = run("plan", *options, "2")
    assert "3 cells" in out
    assert "forecast from finished cells of 3 kinds" in out


@pytest.mark.slow
def test_a_probe_times_trainings_and_methods_here(run):
    arguments = [*TINY, "--methods", "s4t,tttflow,tttpp,actmad", "--training", "joint", "--released", "source-weight"]
    code, out, err = run("plan", *arguments, "--probe", "--device", "cpu")
    assert code == 0, out + err
    assert "forecast from two timed steps of each training and method; timed on cpu" in out
    assert "cost: about" in out


def test_missing_weights_are_announced(run, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    _, out, _ = run("plan", *TINY, "--backbone", "resnet50", "--weights", "imagenet")
    assert "ImageNet's for resnet50 are not in" in out
    assert "--weights FILE" in out
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    file = tmp_path / "hub/checkpoints" / IMAGENET_FILES["resnet50"]
    file.write_bytes(b"half a download")
    _, out, _ = run("plan", *TINY, "--backbone", "resnet50", "--weights", "imagenet")
    assert f"{file} is damaged" in out
    whole = f"resnet50-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setitem(IMAGENET_FILES, "resnet50", whole)
    file.rename(file.with_name(whole))
    _, out, _ = run("plan", *TINY, "--backbone", "resnet50", "--weights", "imagenet")
    assert "ImageNet's" not in out
    assert "damaged" not in out
    _, out, _ = run("plan", *TINY, "--weights", str(tmp_path / "mine.pth"))
    assert "mine.pth does not exist" in out
