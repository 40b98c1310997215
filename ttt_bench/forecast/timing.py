"""Two timed steps of every kind of work in a plan, on this machine. Loads torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from ttt_bench.adaptation.execution import float32_products
from ttt_bench.cell.run import make_adapter
from ttt_bench.cell.spec import Cell
from ttt_bench.forecast.forecast import Forecast, Setting, setting
from ttt_bench.method import registry
from ttt_bench.method.contract import Method, Model
from ttt_bench.plan.plan import Plan
from ttt_bench.samples.loading import Batch, augment
from ttt_bench.source.loop import joint_loss, step, training_optimizer
from ttt_bench.source.spec import SourceSpec
from ttt_bench.source.training import build_auxiliary, build_network, build_supervision
from ttt_bench.synthetic import CLASSES, fitted_model, random_images, random_labels

STEPS = 2
Say = Callable[[str], None]


def probe(plan: Plan, forecast: Forecast, device: torch.device | str, say: Say) -> Forecast:
    """``forecast`` with the paces of this machine, from untrained weights on made-up images.

    Args:
        plan: whose trainings and methods to time.
        forecast: fallback for what cannot be timed: fits.
        device: where to time.
        say: told what is timed next.
    """
    measured: dict[Setting, tuple[float, float]] = {}
    trainings: dict[str, float] = {}
    by_kind: dict[str | None, float] = {}
    for source in plan.sources:
        kind = source.joint[0] if source.joint else None
        if kind not in by_kind:
            say(f"timing a source training{f' with {kind}' if kind else ''}")
            by_kind[kind] = _training_seconds(source, plan, device)
        trainings[source.id] = by_kind[kind]
    for cell in plan.cells:
        if setting(cell) not in measured:
            say(f"timing {cell.method}")
            measured[setting(cell)] = _cell_seconds(cell, plan, device)
    alone = by_kind.get(None, next(iter(by_kind.values())))
    return replace(forecast, measured=measured, trainings=trainings, training=alone, origin=f"timed on {device}")


def _training_seconds(source: SourceSpec, plan: Plan, device: torch.device | str) -> float:
    bare = untrained(source)
    network = build_network(bare)
    method = registry.create(source.joint[0], source.joint[1], plan.extra_methods) if source.joint else None
    model = Model(network, build_auxiliary(method, network, 0) if method else torch.nn.Module()).to(device).train()
    supervision = build_supervision(source).to(device)
    optimizer = training_optimizer([*model.parameters(), *supervision.parameters()], source.training)
    count = source.training.batch_size
    plain = Batch(random_images(count, source.size, 0), random_labels(source.tasks, count, source.size, 0))

    def iterate() -> None:
        batch = augment(plain, source.training.augment, torch.Generator()).to(device)
        step(optimizer, lambda: joint_loss(model, batch.images, batch.labels, method, torch.Generator(), supervision))

    with float32_products("fp32"):
        return _seconds(iterate, device)


def _cell_seconds(cell: Cell, plan: Plan, device: torch.device | str) -> tuple[float, float]:
    method: Method = registry.create(cell.method, cell.options, plan.extra_methods)
    network = build_network(untrained(cell.source))
    model = fitted_model(method, network, cell.source.size, batch=2, iterations=1).to(device)
    images = random_images(cell.batch_size, cell.source.size, 0).to(device)
    adapter = make_adapter(cell, method, model)
    with float32_products(cell.precision):
        update = _seconds(lambda: adapter.update(images), device) if method.adapts else 0.0
        return update, _seconds(lambda: adapter.predict(images), device)


def untrained(source: SourceSpec) -> SourceSpec:
    """Without weights from a file, and with the classes that random labels need; neither changes the pace."""
    classes = (*source.classes, *(f"another {k}" for k in range(CLASSES - len(source.classes))))
    return replace(source, network=replace(source.network, weights="none"), classes=classes)


def _seconds(step: Callable[[], object], device: torch.device | str) -> float:
    """Mean of ``STEPS`` after one that warms up."""
    step()
    _wait(device)
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    _wait(device)
    return (time.perf_counter() - start) / STEPS


def _wait(device: torch.device | str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
