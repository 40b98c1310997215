"""A source model trained on with target labels: what adaptation would reach if it were told the answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ttt_bench.identity import identity
from ttt_bench.method.contract import Method, Model
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import checkpoints
from ttt_bench.source.loop import Progress, Training, training_optimizer
from ttt_bench.source.spec import BranchSpec, TrainingConfig
from ttt_bench.tasks.supervision import Supervision


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
    notify: Progress | None = None,
) -> Model:
    """``model`` after training on target labels: heads and branch together; found again, or gone on with.

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
    model.to(device).requires_grad_(True)
    partial = checkpoints.partial_path(cache, tuning.id)
    Training(
        tuning, "Fine-tuning on the target", tuning.training, tuning.branch.source.seed, 6, model,
        Supervision(model.network.tasks),  # the standard losses, whatever the source was trained with
        training_optimizer(model.parameters(), tuning.training), method, "fine-tuning on target labels, loss",
    ).run(samples, partial, notify)  # fmt: skip
    checkpoints.save(path, tuning, {"network": model.network.state_dict(), "aux": model.aux.state_dict()})
    partial.unlink(missing_ok=True)
    return model.eval()
