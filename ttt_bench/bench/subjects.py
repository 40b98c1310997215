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
from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.needs import unmet
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.contract import Network
from ttt_bench.synthetic import fitted_model, random_images
from ttt_bench.tasks import get_task
from ttt_bench.tasks.catalogue import per_image

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
        outputs = {name: get_task(name).outputs(config.classes) for name in config.tasks}
        return make_network(config.network, outputs, per_image(config.tasks))


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


def able_subjects(
    config: BenchConfig, device: str, execution: Execution = PLAIN
) -> tuple[dict[str, list[Subject]], dict[str, str]]:
    """The subjects of every method that can work on this network, each run once, and why the others cannot.

    The first update may do less than later ones (TTT++ aligns once its queue is full, here after eight images), so
    that nothing is measured on it.
    """
    able: dict[str, list[Subject]] = {}
    reasons: dict[str, str] = {}
    smallest = config.network.smallest_maps(config.size)
    for name, info in registry.discover().items():
        form = info.on(config.tasks)
        seen = None if form.bn == "source" else smallest
        lacking = unmet(form.needs, form.options, config.tasks, config.batch, seen)
        if lacking:
            reasons[name] = f"it needs {lacking}"
            continue
        try:
            subjects = method_subjects(config, name, device, execution)
            for subject in subjects:
                subject.run()
        except UserError as refused:
            reasons[name] = refused.message
        else:
            able[name] = subjects
    return able, reasons


def method_subjects(config: BenchConfig, name: str, device: str, execution: Execution = PLAIN) -> list[Subject]:
    """One update and one evaluation forward of method ``name``, in its form for these tasks and its native recipe.

    Raises:
        UserError: the method refuses this network.
    """
    method = registry.create(name, tasks=config.tasks)
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
