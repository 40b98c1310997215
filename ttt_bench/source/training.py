"""Training the source network, alone (``shared``) or together with a method's branch (``joint``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.contract import Network
from ttt_bench.samples.loading import Batch, SampleSet, augment
from ttt_bench.source import checkpoints
from ttt_bench.source.spec import SourceSpec, TrainingConfig
from ttt_bench.tasks.catalogue import get_task, per_image
from ttt_bench.tasks.measure import measure
from ttt_bench.tasks.supervision import Supervision

Progress = Callable[[int, int, str], None]
"""Called with (done, total, what there is to say)."""

SAVE_EVERY_SECONDS = 30.0


def network_outputs(tasks: tuple[str, ...], classes: tuple[str, ...]) -> dict[str, int]:
    """Output channels by task."""
    return {name: get_task(name).outputs(len(classes)) for name in tasks}


def build_network(spec: SourceSpec) -> Network:
    """The untrained network of ``spec``: the same initial weights for Base and for every joint training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        config = replace(spec.network, given=spec.scaling)
        return make_network(config, network_outputs(spec.tasks, spec.classes), per_image(spec.tasks))


def build_auxiliary(method: Method, network: Network, seed: int) -> torch.nn.Module:
    """The method's freshly initialised auxiliary part, from a random stream of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1_000_003)
        return method.auxiliary(network)


def build_supervision(spec: SourceSpec) -> Supervision:
    """The losses of ``spec``'s training, with fresh task weights."""
    return Supervision(spec.tasks, spec.training.losses, spec.training.weighting)


def training_optimizer(parameters: Iterable[torch.nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam as every training here uses it; its rate is set anew at each iteration."""
    return torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)


def batch_at(samples: SampleSet, config: TrainingConfig, seed: int, iteration: int) -> Batch:
    """The training batch of ``iteration``: a function of seed and iteration alone, so a resume cannot drift.

    Every epoch is a fresh permutation; methods trained jointly see the same stream as Base.
    """
    first = iteration * config.batch_size
    indices = []
    for position in range(first, first + config.batch_size):
        epoch, offset = divmod(position, len(samples))
        indices.append(int(_permutation(len(samples), seed, epoch)[offset]))
    generator = torch.Generator().manual_seed(hash_seed(seed, 2, iteration))
    return augment(samples.batch(indices), config.augment, generator, samples.scaling)


def _permutation(length: int, seed: int, epoch: int) -> Tensor:
    key = (length, seed, epoch)
    if key not in _PERMUTATIONS:
        _PERMUTATIONS.clear() if len(_PERMUTATIONS) > 4 else None
        _PERMUTATIONS[key] = torch.randperm(length, generator=torch.Generator().manual_seed(hash_seed(seed, 1, epoch)))
    return _PERMUTATIONS[key]


_PERMUTATIONS: dict[tuple[int, int, int], Tensor] = {}


def hash_seed(*parts: int) -> int:
    """Mix small integers into one well-spread 63-bit seed."""
    value = 0x9E3779B97F4A7C15
    for part in parts:
        value = ((value ^ (part + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 29
    return value >> 1


def poly_rate(config: TrainingConfig, iteration: int) -> float:
    """lr * (1 - i/iterations)^power, stepped every iteration."""
    rate: float = config.lr * (1 - iteration / config.iterations) ** config.power
    return rate


def train(
    spec: SourceSpec,
    samples: SampleSet,
    cache: Path,
    method: Method | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    validation: SampleSet | None = None,
) -> Path:
    """Train ``spec`` (or finish it from its last save) and store it under its identity.

    Args:
        spec: the settings; ``spec.joint`` names ``method`` when one is trained along.
        samples: training images with labels.
        cache: root of checkpoints.
        method: the method trained jointly, or None.
        device: where to train.
        progress: told about every iteration.
        validation: held-out source images; the finished network's scores on them are stored beside its weights.

    Returns:
        The checkpoint's path.

    Raises:
        UserError: the loss is no longer finite; nothing is stored under the identity then.
    """
    final = checkpoints.checkpoint_path(cache, spec.id)
    if final.exists():
        return final
    network = build_network(spec)
    aux = build_auxiliary(method, network, spec.seed) if method else torch.nn.Module()
    model = Model(network, aux).to(device)
    supervision = build_supervision(spec).to(device)
    moving = [*model.parameters(), *supervision.parameters()]
    optimizer = training_optimizer(moving, spec.training)
    start = _resume(checkpoints.partial_path(cache, spec.id), spec, model, supervision, optimizer)
    _iterate(spec, samples, cache, model, supervision, optimizer, method, start, progress)
    scores = source_scores(model.network, validation, spec.training.batch_size) if validation else {}
    content = {"network": model.network.state_dict(), "aux": model.aux.state_dict(), "scores": scores}
    checkpoints.save(final, spec, content)
    checkpoints.partial_path(cache, spec.id).unlink(missing_ok=True)
    return final


@torch.no_grad()
def source_scores(network: Network, samples: SampleSet, batch_size: int) -> dict[str, float]:
    """Every metric of every task on held-out source images, by metric id: is the source model any good?"""
    device = next(network.parameters()).device
    network.eval()
    collected: dict[str, list[npt.NDArray[np.float64]]] = {}
    for first in range(0, len(samples), batch_size):
        batch = samples.batch(range(first, min(first + batch_size, len(samples)))).to(device)
        for task, prediction in network(batch.images).items():
            for name, value in measure(task, prediction, batch.labels[task]).items():
                collected.setdefault(name, []).append(value.double().cpu().numpy())
    stacked = {name: np.stack(values)[:, None] for name, values in collected.items()}
    metrics = [metric for task in network.tasks for metric in get_task(task).metrics]
    return {metric.id: float(metric.compute(stacked[metric.statistic])[0]) for metric in metrics}


def _iterate(
    spec: SourceSpec,
    samples: SampleSet,
    cache: Path,
    model: Model,
    supervision: Supervision,
    optimizer: torch.optim.Optimizer,
    method: Method | None,
    start: int,
    progress: Progress | None,
) -> None:
    config = spec.training
    device = next(model.parameters()).device
    model.train()
    saved = time.monotonic()
    for iteration in range(start, config.iterations):
        for group in optimizer.param_groups:
            group["lr"] = poly_rate(config, iteration)
        batch = batch_at(samples, config, spec.seed, iteration).to(device)
        rng = torch.Generator().manual_seed(hash_seed(spec.seed, 3, iteration))
        loss = joint_loss(model, batch.images, batch.labels, method, rng, supervision)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if iteration % 10 == 9 or iteration + 1 == config.iterations:
            value = float(loss.detach())
            if value != value or value in (float("inf"), float("-inf")):
                raise UserError(
                    f"Source training of {spec.label} diverged: the loss is {value} at iteration {iteration}.",
                    "Lower the learning rate with --train-lr and run again.",
                )
            if progress is not None:
                progress(iteration + 1, config.iterations, f"loss {value:.3f}")
        if time.monotonic() - saved > SAVE_EVERY_SECONDS:
            path = checkpoints.partial_path(cache, spec.id)
            _save_progress(path, spec, model, supervision, optimizer, iteration + 1)
            saved = time.monotonic()


def joint_loss(
    model: Model,
    images: Tensor,
    labels: Mapping[str, Tensor],
    method: Method | None,
    rng: torch.Generator,
    supervision: Supervision,
) -> Tensor:
    """Weighted task losses of the main heads, plus the method's own source loss if there is a method."""
    features = model.network.features(images)
    predictions, *deeper = model.network.supervised(features, (images.shape[-2], images.shape[-1]))
    loss: Tensor = supervision(predictions, labels)
    for further in deeper:
        loss = loss + supervision(further, labels)
    if method is not None:
        batch = SourceBatch(images, dict(labels), features, predictions, supervision)
        loss = loss + method.source_loss(model, batch, rng)
    penalty = supervision.penalty()
    return loss if penalty is None else loss + penalty


def _save_progress(
    path: Path,
    spec: SourceSpec,
    model: Model,
    supervision: Supervision,
    optimizer: torch.optim.Optimizer,
    iteration: int,
) -> None:
    content: dict[str, Any] = {
        "iteration": iteration,
        "network": model.network.state_dict(),
        "aux": model.aux.state_dict(),
        "supervision": supervision.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    checkpoints.save(path, spec, content)


def _resume(
    path: Path, spec: SourceSpec, model: Model, supervision: Supervision, optimizer: torch.optim.Optimizer
) -> int:
    if not path.exists():
        return 0
    content = checkpoints.load(path, spec)
    model.network.load_state_dict(content["network"])
    model.aux.load_state_dict(content["aux"])
    supervision.load_state_dict(content.get("supervision", {}))
    optimizer.load_state_dict(content["optimizer"])
    return int(content["iteration"])
