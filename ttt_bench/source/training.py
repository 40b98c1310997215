"""Training the source network, alone (``shared``) or together with a method's branch (``joint``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.loop import Progress, Training, training_optimizer
from ttt_bench.source.spec import SourceSpec
from ttt_bench.source.team import Team
from ttt_bench.tasks.catalogue import get_task, per_image
from ttt_bench.tasks.measure import measure
from ttt_bench.tasks.supervision import Supervision


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


def train(
    spec: SourceSpec,
    samples: SampleSet,
    cache: Path,
    method: Method | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    validation: SampleSet | None = None,
    team: Team | None = None,
    idle: Callable[[], bool] | None = None,
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
        team: the processes that train it together, of which the first stores it; None: this one alone.
        idle: whether another processor has nothing to do just now; the result does not depend on it.

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
    if team is not None:
        team.join_batch_norms(model.network)
    supervision = build_supervision(spec).to(device)
    moving = [*model.parameters(), *supervision.parameters()]
    optimizer = training_optimizer(moving, spec.training)
    name, partial = f"Source training of {spec.label}", checkpoints.partial_path(cache, spec.id)
    Training(spec, name, spec.training, spec.seed, 3, model, supervision, optimizer, method, team=team, idle=idle).run(
        samples, partial, progress
    )
    if team is not None and not team.first:
        return final
    model.network.eval()
    scores = source_scores(model.network, validation, spec.training.batch_size, device) if validation else {}
    content = {"network": model.network.state_dict(), "aux": model.aux.state_dict(), "scores": scores}
    checkpoints.save(final, spec, content)
    partial.unlink(missing_ok=True)
    return final


@torch.no_grad()
def source_scores(
    predict: Callable[[Tensor], Predictions], samples: SampleSet, batch_size: int, device: torch.device | str
) -> dict[str, float]:
    """Every metric of every task on held-out source images, by metric id: is the model (still) any good there?"""
    collected: dict[str, list[npt.NDArray[np.float64]]] = {}
    for batch in (each.to(device) for each in samples.batches(batch_size)):
        for task, prediction in predict(batch.images).items():
            for name, value in measure(task, prediction, batch.labels[task]).items():
                collected.setdefault(name, []).append(value.double().cpu().numpy())
    stacked = {name: np.stack(values)[:, None] for name, values in collected.items()}
    metrics = [metric for task in samples.tasks for metric in get_task(task).metrics]
    return {metric.id: float(metric.compute(stacked[metric.statistic])[0]) for metric in metrics}
