"""Fits of several stages: their budgets, their rates, their own piece of work, and going on after an interruption."""

import pytest
import torch

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.forecast.forecast import Forecast
from ttt_bench.method.card import OptimizerSpec, SourceStage
from ttt_bench.method.registry import create, discover, find, parse_methods
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.plan.work import Fit, lay_out
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import branches, checkpoints, fitting, training
from ttt_bench.source.spec import BranchSpec, SourceSpec, TrainingConfig

CONFIG = TrainingConfig(iterations=10, batch_size=4, lr=1e-3, samples=12, fit_iterations=6, statistics_batches=2)


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("objects/studio", (32, 32), {})
    return SampleSet(domain, "train", 12, domain.classes, None)


@pytest.fixture(scope="module")
def source(samples, tmp_path_factory):
    domain = samples.domain
    made = SourceSpec(
        domain.name, domain.fingerprint(), domain.tasks, domain.classes, (32, 32),
        NetworkConfig("resnet10", "linear"), CONFIG, seed=3,
    )  # fmt: skip
    cache = tmp_path_factory.mktemp("cache")
    training.train(made, samples, cache)
    return made, cache


def branch(source, name):
    method = create(name, tasks=source.tasks)
    options = {key: getattr(method, key) for key in method.source_options}
    return BranchSpec(source, name, options), method


def aux_of(cache, spec):
    return checkpoints.load(checkpoints.checkpoint_path(cache, spec.id), spec)["aux"]


def same(one, other):
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_rates_rise_and_fall_and_budgets_follow_the_networks():
    stage = SourceStage("a", OptimizerSpec("sgd", lr_per_sample=0.01), share=0.5, warmup=0.25)
    assert [round(stage.rate(share, 10), 6) for share in (0, 0.125, 0.25, 0.625, 1)] == [0, 0.05, 0.1, 0.05, 0]
    assert stage.iterations(100, {}) == 50
    assert SourceStage("a", OptimizerSpec("adam", lr=1.0), share=1e-6).iterations(10, {}) == 1
    assert SourceStage("a", OptimizerSpec("adam", lr=1.0), share="half").iterations(10, {"half": 0.5}) == 5
    plan = fitting.stretches(create("cta", {"align_share": 0.1}), CONFIG)
    assert [(each.stage.name, each.first, each.iterations) for each in plan] == [("contrast", 0, 10), ("align", 10, 1)]
    [usual] = fitting.stretches(create("clust3"), CONFIG)
    assert (usual.first, usual.iterations, usual.rate(3, 4)) == (0, 6, 1e-3 * 0.5**0.9)


def test_what_trains_networks_is_a_fit_of_its_own_that_comes_first_and_stages_are_forecast_as_long_as_they_are():
    config = SweepConfig(("objects/studio->objects/fog",), tuple(parse_methods("clust3,cta,recttt,ttt")), size=(32, 32))
    fits = {
        tuple(b.method for b in work.branches): work for work in lay_out(make_plan(config)) if isinstance(work, Fit)
    }
    assert list(fits) == [("cta",), ("recttt",), ("clust3", "ttt")]
    forecast = Forecast(default=1.0, known=discover())
    assert forecast(fits["cta",]) == 1200 + 1200 + 16
    assert forecast(fits["clust3", "ttt"]) == 200
    assert find("cta").fit_iterations(1200, 200, {"align_share": 0.1}) == 1320


def test_an_interrupted_fit_goes_on_bit_for_bit_beside_any_others(source, samples, tmp_path, monkeypatch):
    made, cache = source
    asked = [branch(made, name) for name in ("cta", "clust3")]
    branches.fit(asked, samples, cache)
    whole = [aux_of(cache, spec) for spec, _ in asked]

    again = tmp_path / "again"
    (again / "checkpoints").mkdir(parents=True)
    origin = checkpoints.checkpoint_path(cache, made.id)
    checkpoints.checkpoint_path(again, made.id).write_bytes(origin.read_bytes())
    real = branches.batch_at

    class Killed(BaseException):
        pass

    for stop in (3, 10):  # within the first stage, and where the second begins

        def broken(given, config, seed, iteration, stop=stop):
            if iteration == stop:
                raise Killed
            return real(given, config, seed, iteration)

        monkeypatch.setattr(fitting, "SAVE_EVERY_SECONDS", -1.0)
        monkeypatch.setattr(branches, "batch_at", broken)
        with pytest.raises(Killed):
            branches.fit(asked[:1], samples, again)
        saved = checkpoints.load(checkpoints.partial_path(again, asked[0][0].id), asked[0][0])
        assert saved["iteration"] == stop
    monkeypatch.setattr(branches, "batch_at", real)
    branches.fit(asked, samples, again)
    assert all(same(aux_of(again, spec), before) for (spec, _), before in zip(asked, whole, strict=True))
    assert not list((again / "checkpoints").glob("*.partial.pt"))


def test_the_self_supervised_encoder_starts_where_the_network_started(source, samples, monkeypatch):
    made, cache = source
    spec, method = branch(made, "cta")
    network = branches.load_network(made, cache)
    fit = fitting.BranchFit.start(spec, method, network, cache / "none", "cpu")
    initial = training.build_network(made)
    assert same(fit.model.aux.encoder.state_dict(), initial.encoder.state_dict())
    assert not same(fit.model.aux.encoder.state_dict(), network.encoder.state_dict())


def test_the_network_is_not_asked_where_no_stage_looks(source, samples, monkeypatch):
    made, cache = source
    spec, method = branch(made, "cta")
    network = branches.load_network(made, cache)
    fit = fitting.BranchFit.start(spec, method, network, cache / "none", "cpu")
    assert branches._seen(network, samples, [fit], 0).features == ()
    fit.done = 10
    assert len(branches._seen(network, samples, [fit], 10).features) == 4
