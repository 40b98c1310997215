"""The supervised loss of a source training: which loss each task has, and how the tasks are weighed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks.catalogue import get_task
from ttt_bench.tasks.contract import IGNORE
from ttt_bench.tasks.release import TASKONOMY_LOSSES

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES = ("masked", "taskonomy")
"""``masked``: each task's own; ``taskonomy``: those of the S4T release on Taskonomy, ``tasks.release``."""
WEIGHTINGS = ("fixed", "automatic")
"""``fixed``: each task's own; ``automatic``: learned, as in the S4T release on Taskonomy."""


def task_losses(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The unweighted source loss of every predicted task."""
    return {task: get_task(task).loss(prediction, labels[task]) for task, prediction in predictions.items()}


def supervise(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """The weighted source loss of every predicted task."""
    return weighted_sum(task_losses(predictions, labels))


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> Tensor:
    """Sum of w_t times the loss of t; by default with each task's own weight."""
    if weights is None:
        weights = {task: get_task(task).weight for task in losses}
    return torch.stack([weights[task] * loss for task, loss in losses.items()]).sum()


class Supervision(nn.Module):
    """Callable on (predictions, labels), any subset of the tasks; its parameters, if any, train along."""

    def __init__(self, tasks: Sequence[str], losses: str = "masked", weighting: str = "fixed") -> None:
        """Start with equal weights.

        Args:
            tasks: all tasks of the network, in order.
            losses: one of ``LOSSES``.
            weighting: one of ``WEIGHTINGS``.

        Raises:
            UserError: there is no such choice, or the release has no loss for a task.
        """
        super().__init__()
        for value, valid in ((losses, LOSSES), (weighting, WEIGHTINGS)):
            if value not in valid:
                raise UserError(f"Source training with {value!r} is unknown.", did_you_mean(value, valid))
        self.tasks = tuple(tasks)
        choose = released_loss if losses == "taskonomy" else own_loss
        self._losses: Mapping[str, Loss] = {task: choose(task) for task in self.tasks}
        self.sigma = nn.Parameter(torch.ones(len(self.tasks))) if weighting == "automatic" else None

    def forward(self, predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
        """Weighted sum of the losses of every predicted task, without ``penalty``."""
        losses = {task: self._losses[task](predictions[task], labels[task]) for task in predictions}
        if self.sigma is None:
            return weighted_sum(losses)
        weights = dict(zip(self.tasks, 0.5 / self.sigma**2, strict=True))
        return torch.stack([weights[task] * loss for task, loss in losses.items()]).sum()

    def penalty(self) -> Tensor | None:
        """sum_t log(1 + s_t^2), once per update, which keeps learned weights from vanishing; None for fixed ones."""
        return None if self.sigma is None else torch.log1p(self.sigma**2).sum()


def own_loss(task: str) -> Loss:
    """The task's own source loss."""
    return get_task(task).loss


def released_loss(task: str) -> Loss:
    """The loss of the S4T release on Taskonomy.

    The release masks nothing, since its files hold a number everywhere; our 255 is no number to regress. Such
    pixels count as predicted exactly: they stay in the mean, but add no error.

    Raises:
        UserError: it has none for this task.
    """
    if task not in TASKONOMY_LOSSES:
        raise UserError(
            f"The S4T release has no loss for the task {task!r}.",
            "Leave its losses out of --released, or leave the task out with --tasks.",
        )
    loss = TASKONOMY_LOSSES[task]
    if get_task(task).output == "classes":
        return loss

    def known(prediction: Tensor, label: Tensor) -> Tensor:
        valid = (label != IGNORE).all(dim=1, keepdim=True)
        return loss(torch.where(valid, prediction, 0.0), torch.where(valid, label, 0.0))

    return known
