"""What is timed: the encoder alone, and each method's update and evaluation forward."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.execution import PLAIN, Execution
from ttt_bench.bench.config import BenchConfig
from ttt_bench.method import registry
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.contract import Network
from ttt_bench.synthetic import fitted_model, random_images
from ttt_bench.tasks import get_task, track_tasks

ENCODER_FORWARD, ENCODER_BOTH = "encoder forward", "encoder forward+backward"


@dataclass(frozen=True)
class Subject:
    """One thing to run again and again."""

    name: str
    run: Callable[[], object]
    adapter: Adapter | None = None


def build_network(config: BenchConfig) -> Network:
    """The configuration's network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tasks = track_tasks("dense")
        return make_network(config.network, {name: get_task(name).outputs(config.classes) for name in tasks})


def encoder_subjects(config: BenchConfig, device: str, execution: Execution = PLAIN) -> list[Subject]:
    """The floor: what any method pays at least for one evaluation and one update."""
    encoder = build_network(config).encoder.to(device)
    images = _images(config, device)
    execution.compile(encoder)

    def forward() -> None:
        encoder.eval()
        with torch.no_grad(), execution.autocast(images.device):
            encoder(images)

    def both() -> None:
        encoder.train()
        encoder.zero_grad(set_to_none=True)
        with execution.autocast(images.device):
            loss = torch.stack([level.mean() for level in encoder(images)]).sum()
        loss.backward()

    return [Subject(ENCODER_FORWARD, forward), Subject(ENCODER_BOTH, both)]


def method_subjects(config: BenchConfig, name: str, device: str, execution: Execution = PLAIN) -> list[Subject]:
    """One update and one evaluation forward of method ``name`` under its native recipe."""
    method = registry.create(name)
    # One iteration readies branches that need data to be usable at all (ActNorm, statistics).
    model = fitted_model(method, build_network(config), config.size, batch=2, iterations=1)
    adapter = Adapter(copy.deepcopy(model).to(device), method, method.native_on(model.network.tasks), 0, execution)
    images = _images(config, device)
    subjects = [Subject(f"{name} evaluation", lambda: adapter.predict(images), adapter)]
    if method.adapts:
        subjects.insert(0, Subject(f"{name} step", lambda: adapter.update(images), adapter))
    return subjects


def _images(config: BenchConfig, device: str) -> Tensor:
    return random_images(config.batch, config.size, 0).to(device)
