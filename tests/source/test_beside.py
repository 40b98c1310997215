"""What a thread beside a training's own computes: the same to the last bit, whoever computes it."""

import random
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.process_state import computing_threads
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import beside as beside_module
from ttt_bench.source import checkpoints, loop, training
from ttt_bench.source.beside import Beside, WeightGradients
from ttt_bench.source.spec import SourceSpec, TrainingConfig

CONFIG = TrainingConfig(iterations=6, batch_size=4, lr=1e-3, samples=12)
DRAWS = random.Random(0)


def idle():
    return True


def busy():
    return False


def changing():
    return DRAWS.random() < 0.5


@pytest.fixture(autouse=True)
def one_thread():
    with computing_threads(1):
        yield


@pytest.fixture(scope="module")
def samples():
    domain = open_domain("rooms/studio", (32, 32), {})
    return SampleSet(domain, "train", 12, domain.classes, None)


def spec_of(samples, **network):
    domain = samples.domain
    return SourceSpec(
        domain.name, domain.fingerprint(), domain.tasks, domain.classes, (32, 32), NetworkConfig(**network), CONFIG, 3
    )


def trained(spec, samples, cache, idle):
    return checkpoints.load(training.train(spec, samples, cache, idle=idle), spec)["network"]


@pytest.mark.parametrize(
    "network",
    [{"backbone": "resnet10", "heads": "conv", "hidden": 8}, {"backbone": "resnet10", "architecture": "mtinet"}],
    ids=["plain", "mtinet"],
)
def test_a_training_is_the_same_with_idle_processors_without_and_with_some_now_and_then(samples, tmp_path, network):
    spec = spec_of(samples, **network)
    alone = trained(spec, samples, tmp_path / "alone", None)
    for number, free in enumerate((idle, busy, changing)):
        other = trained(spec, samples, tmp_path / str(number), free)
        assert all(torch.equal(alone[name], other[name]) for name in alone), free.__name__


def test_an_idle_processor_takes_part(samples, tmp_path, monkeypatch):
    threads = set()
    real = beside_module.Job._run

    def noted(job):
        threads.add(threading.current_thread())
        real(job)

    monkeypatch.setattr(beside_module.Job, "_run", noted)
    trained(spec_of(samples, backbone="resnet10", heads="conv", hidden=8), samples, tmp_path, idle)
    assert threads - {threading.current_thread()}
    assert not any(each.is_alive() for each in threads - {threading.current_thread()}), "it outlives the training"


class Odd(nn.Module):
    """Every way in which a convolution may be called: a weight used thrice, groups, strides, names, no gradient."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2, bias=False)
        self.padded = nn.Conv2d(8, 4, 3, padding="same")
        self.mirrored = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect", dilation=1)
        self.frozen = nn.Conv2d(4, 4, 1).requires_grad_(False)

    def forward(self, maps):
        maps = self.shared(F.relu(self.shared(F.relu(self.shared(maps)))))
        maps = self.frozen(self.mirrored(self.padded(F.relu(self.grouped(maps)))))
        with torch.no_grad():
            steady = self.shared(maps)
        made = F.conv2d(maps, self.shared.weight * 2, padding=1)  # not a leaf: autograd's own business
        return (maps * steady + made).square().mean() + self.shared.weight.square().sum()


@pytest.mark.parametrize("free", [idle, busy, changing])
def test_gradients_equal_autograds(free):
    torch.manual_seed(1)
    network, maps = Odd(), torch.randn(3, 4, 12, 12)
    network(maps).backward()
    expected = {name: each.grad.clone() for name, each in network.named_parameters() if each.grad is not None}
    network.zero_grad(set_to_none=True)
    with Beside(free) as beside:
        owed = WeightGradients(beside)
        with owed.deferred():
            loss = network(maps)
        loss.backward()
        owed.settle()
    found = {name: each.grad for name, each in network.named_parameters() if each.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        # Three uses beside others are added in another order than autograd's: equal but for rounding.
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-6)


def test_what_goes_wrong_beside_is_raised_where_it_is_asked_for():
    with Beside(idle) as beside:
        job = beside.offer(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            job.result()
        assert beside.offer(lambda: 7).result() == 7, "the thread goes on"


def test_an_image_that_cannot_be_read_ends_the_training_at_its_own_iteration(samples, tmp_path, monkeypatch):
    seen, real = [], loop.batch_at

    def broken(samples, config, seed, iteration):
        if iteration == 4:
            raise OSError("unreadable")
        return real(samples, config, seed, iteration)

    monkeypatch.setattr(loop, "batch_at", broken)
    monkeypatch.setattr(loop.Training, "_save", lambda self, path, done: seen.append(done))
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", -1.0)
    with pytest.raises(OSError, match="unreadable"):
        trained(spec_of(samples, backbone="resnet10", heads="conv", hidden=8), samples, tmp_path, idle)
    assert seen == [1, 2, 3, 4]
