"""Protocols on a method whose state counts its updates: what step k means, and when weights are reset."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.stream import Evaluator, TargetStream
from ttt_bench.method.card import Card, OptimizerSpec
from ttt_bench.method.contract import Method, Model
from ttt_bench.method.registry import create


class Offset(nn.Module):
    """A network whose depth is one parameter; every update raises it by exactly the learning rate."""

    tasks = ("depth",)

    def __init__(self):
        super().__init__()
        self.encoder = nn.Identity()
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, images):
        return {"depth": self.offset + 0 * self.encoder(images)[:, :1]}


@dataclass(frozen=True)
class Climb(Method):
    """Loss = -offset, so SGD adds lr each step."""

    name = "climb"
    card = Card("Climb", "none", "", "-offset", "the offset")
    bn = "source"
    native = OptimizerSpec("sgd", lr=1.0)

    def updated(self, model):
        return [model.network.offset]

    def loss(self, model, images, rng):
        return -model.network.offset


def run(protocol, batches=3, steps=2, eval_steps=(0, 1, 2)):
    images = [torch.zeros(2, 3, 4, 4) for _ in range(batches)]
    labels = [{"depth": torch.zeros(2, 1, 4, 4)} for _ in range(batches)]
    adapter = Adapter(Model(Offset(), nn.Module()), Climb(), Climb.native)
    recording = run_protocol(protocol, adapter, TargetStream(images), Evaluator(labels), steps, eval_steps)
    moments = recording.statistics["depth/moments"]
    return moments[..., 1] / moments[..., 0], recording  # mean prediction = updates so far


def test_online_carries_on():
    seen, recording = run("online")
    assert seen.tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]
    assert recording.loss.tolist() == [[0, -1], [-2, -3], [-4, -5]]


def test_episodic_starts_anew():
    seen, recording = run("episodic")
    assert seen.tolist() == [[0, 1, 2]] * 3
    assert recording.loss.tolist() == [[0, -1]] * 3


def test_single_adapts_on_the_first_batch_and_scores_all():
    seen, recording = run("single")
    assert seen.tolist() == [[0, 1, 2]] * 3
    assert recording.loss.shape == (1, 2)


@pytest.mark.parametrize("protocol", ["online", "episodic", "single"])
def test_step_k_is_after_k_updates_on_any_grid(protocol):
    seen, _ = run(protocol, steps=5, eval_steps=(0, 3, 5))
    assert seen[0].tolist() == [0, 3, 5]


def test_work_is_counted_per_update():
    _, recording = run("online")
    assert (recording.forwards == 0).all(), "this network's loss needs no forward"
    assert (recording.seconds >= 0).all()


def test_restore_never_aliases_the_snapshot():
    @dataclass(frozen=True)
    class Adam(Climb):
        native = OptimizerSpec("adam", lr=0.5)

    adapter = Adapter(Model(Offset(), nn.Module()), Adam(), Adam.native)
    images = torch.zeros(1, 3, 4, 4)
    adapter.update(images)
    fresh = adapter.digest()
    adapter.reset()
    start = adapter.digest()
    for _ in range(3):
        for _ in range(4):
            adapter.update(images)
        adapter.reset()
        assert adapter.digest() == start
    adapter.update(images)
    assert adapter.digest() == fresh


def test_learning_rate_per_sample_follows_the_batch():
    spec = OptimizerSpec("sgd", lr_per_sample=0.25)
    adapter = Adapter(Model(Offset(), nn.Module()), Climb(), spec)
    adapter.update(torch.zeros(4, 3, 4, 4))
    assert adapter.model.network.offset.item() == 1.0
    adapter.update(torch.zeros(2, 3, 4, 4))
    assert adapter.model.network.offset.item() == 1.5


@pytest.mark.parametrize(("protocol", "carries"), [("online", True), ("episodic", False)])
def test_the_control_bn_carries_its_running_statistics_from_batch_to_batch(protocol, carries):
    class Normed(nn.Module):
        tasks = ("depth",)

        def __init__(self):
            super().__init__()
            self.encoder, self.heads = nn.BatchNorm2d(3), nn.Identity()

        def features(self, images):
            return [self.encoder(images)]

        def forward(self, images):
            return {"depth": self.encoder(images)[:, :1]}

    def predicted_last(batches):
        method = create("bn")
        labels = [{"depth": torch.zeros(2, 1, 4, 4)} for _ in batches]
        adapter = Adapter(Model(Normed(), nn.Module()), method, method.native)
        recording = run_protocol(protocol, adapter, TargetStream(batches), Evaluator(labels), 1, (0, 1))
        return recording.statistics["depth/moments"][-1, -1]

    rng = torch.Generator().manual_seed(0)
    dark, bright = (torch.randn(2, 3, 4, 4, generator=rng) + level for level in (0.0, 9.0))
    alone, after = predicted_last([bright]), predicted_last([dark, bright])
    assert (alone != after).any() == carries
