"""A source model trained on with target labels: what adaptation would reach if it were told the answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ttt_bench.errors import UserError
from ttt_bench.identity import identity
from ttt_bench.method.contract import Method, Model
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.spec import BranchSpec, TrainingConfig
from ttt_bench.source.training import batch_at, hash_seed, joint_loss, poly_rate, training_optimizer
from ttt_bench.tasks.supervision import Supervision

Notify = Callable[[int, int, str], None]


@dataclass(frozen=True)
class FineTuning:
    """Exactly what influences a fine-tuned model."""

    branch: BranchSpec
    """The source model with the method's auxiliary part, where it starts."""
    target: str
    """Fingerprint of the target domain."""
    training: TrainingConfig

    @property
    def id(self) -> str:
        """Identity hash."""
        return identity({"kind": "fine-tuned", "schema": 1, "branch": self.branch.id, "target": self.target,
                         "training": self.training})  # fmt: skip


def scaled(training: TrainingConfig, iterations: int, available: int) -> TrainingConfig:
    """The source training's settings for ``iterations`` on ``available`` target images."""
    return replace(training, iterations=iterations, samples=min(training.samples, available))


def fine_tuned(
    tuning: FineTuning,
    model: Model,
    method: Method,
    samples: SampleSet,
    cache: Path,
    device: torch.device | str = "cpu",
    notify: Notify | None = None,
) -> Model:
    """``model`` after training on target labels: heads and branch together; found again if it was done.

    Args:
        tuning: the settings.
        model: as source training left it; changed in place.
        method: whose source loss is added to that of the heads.
        samples: target training images with labels.
        cache: root of the checkpoints.
        device: where to train.
        notify: told about every tenth iteration.

    Returns:
        ``model``, in eval mode.

    Raises:
        UserError: the loss is no longer finite.
    """
    path = checkpoints.checkpoint_path(cache, tuning.id)
    if path.exists():
        content = checkpoints.load(path, tuning)
        model.network.load_state_dict(content["network"])
        model.aux.load_state_dict(content["aux"])
        return model.to(device).eval()
    _train(tuning, model.to(device), method, samples, device, notify)
    checkpoints.save(path, tuning, {"network": model.network.state_dict(), "aux": model.aux.state_dict()})
    return model.eval()


def _train(
    tuning: FineTuning,
    model: Model,
    method: Method,
    samples: SampleSet,
    device: torch.device | str,
    notify: Notify | None,
) -> None:
    config, seed = tuning.training, tuning.branch.source.seed
    model.requires_grad_(True).train()
    optimizer = training_optimizer(model.parameters(), config)
    supervision = Supervision(model.network.tasks)  # the standard losses, whatever the source was trained with
    for iteration in range(config.iterations):
        for group in optimizer.param_groups:
            group["lr"] = poly_rate(config, iteration)
        batch = batch_at(samples, config, seed, iteration).to(device)
        rng = torch.Generator().manual_seed(hash_seed(seed, 6, iteration))
        loss = joint_loss(model, batch.images, batch.labels, method, rng, supervision)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if iteration % 10 == 9 or iteration + 1 == config.iterations:
            if not torch.isfinite(loss):
                raise UserError(
                    f"Fine-tuning on the target diverged at iteration {iteration}.",
                    "Lower the learning rate with --train-lr and run again.",
                )
            if notify is not None:
                notify(
                    iteration + 1, config.iterations, f"fine-tuning on target labels, loss {float(loss.detach()):.3f}"
                )
