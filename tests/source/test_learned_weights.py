"""Source training with the S4T release's losses and learned task weights: it trains, shares and resumes them."""

import pytest
import torch

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.method.registry import create
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import branches, checkpoints, loop, training
from ttt_bench.source.spec import BranchSpec, SourceSpec, TrainingConfig

SETTINGS = {"losses": "taskonomy", "weighting": "automatic"}
OPTIONS = {"source_weight": 1.0}


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("rooms/studio", (32, 32), {})
    return SampleSet(domain, "train", 12, domain.classes, None, scaling="symmetric")


def spec(samples, joint=True, **settings):
    domain = samples.domain
    config = TrainingConfig(
        iterations=6, batch_size=4, lr=1e-2, samples=12, augment="paper", fit_iterations=3, **settings
    )
    return SourceSpec(
        domain.name, domain.fingerprint(), domain.tasks, domain.classes, (32, 32),
        NetworkConfig("resnet10", "conv", hidden=8), config, seed=3, scaling="symmetric",
        joint=("s4t", OPTIONS, "") if joint else None,
    )  # fmt: skip


def weights_of(path, made):
    return torch.cat([t.flatten().float() for t in checkpoints.load(path, made)["network"].values()])


def test_settings_name_and_change_the_network(samples, tmp_path):
    made = [spec(samples), *(spec(samples, **{key: value}) for key, value in SETTINGS.items())]
    assert len({each.id for each in made}) == 3
    trained = [weights_of(training.train(each, samples, tmp_path, create("s4t", OPTIONS)), each) for each in made]
    assert all(torch.isfinite(each).all() for each in trained)
    assert not any(torch.equal(trained[0], each) for each in trained[1:])


def test_learned_weights_survive_an_interruption(samples, tmp_path, monkeypatch):
    made = spec(samples, **SETTINGS)
    whole = weights_of(training.train(made, samples, tmp_path / "a", create("s4t", OPTIONS)), made)

    class Killed(BaseException):
        pass

    def broken(given, config, seed, iteration):
        if iteration == 4:
            raise Killed
        return real(given, config, seed, iteration)

    real = loop.batch_at
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(loop, "batch_at", broken)
    with pytest.raises(Killed):
        training.train(made, samples, tmp_path / "b", create("s4t", OPTIONS))
    saved = checkpoints.load(checkpoints.partial_path(tmp_path / "b", made.id), made)
    assert (saved["supervision"]["sigma"] != 1).all()
    monkeypatch.setattr(loop, "batch_at", real)
    assert torch.equal(whole, weights_of(training.train(made, samples, tmp_path / "b", create("s4t", OPTIONS)), made))


def test_a_branch_on_the_frozen_network_has_weights_of_its_own(samples, tmp_path):
    found = []
    for settings in ({}, SETTINGS):
        source = spec(samples, joint=False, **settings)
        training.train(source, samples, tmp_path)
        branch = BranchSpec(source, "s4t", OPTIONS)
        branches.fit([(branch, create("s4t", OPTIONS))], samples, tmp_path)
        path = checkpoints.checkpoint_path(tmp_path, branch.id)
        found.append(checkpoints.load(path, branch)["aux"])
    assert all(torch.isfinite(value).all() for value in found[1].values())
    assert found[0].keys() == found[1].keys(), "the weights of the tasks are no part of the method"
