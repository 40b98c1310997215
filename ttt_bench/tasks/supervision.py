"""The supervised loss of a source training: which loss each task has, and how the tasks are weighed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks.contract import IGNORE
from ttt_bench.tasks.losses import TASK_LOSSES, weighted_sum
from ttt_bench.tasks.release import TASKONOMY_LOSSES

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES = ("masked", "taskonomy")
"""``masked``: ``tasks.losses``; ``taskonomy``: those of the S4T release on Taskonomy, ``tasks.released``."""
WEIGHTINGS = ("fixed", "automatic")
"""``fixed``: 1, 1, 10, 50; ``automatic``: learned, as in the S4T release on Taskonomy."""


class Supervision(nn.Module):
    """Callable on (predictions, labels), any subset of the tasks; its parameters, if any, train along."""

    def __init__(self, tasks: Sequence[str], losses: str = "masked", weighting: str = "fixed") -> None:
        """Start with equal weights.

        Args:
            tasks: all tasks of the network, in order.
            losses: one of ``LOSSES``.
            weighting: one of ``WEIGHTINGS``.

        Raises:
            UserError: there is no such choice.
        """
        super().__init__()
        for value, valid in ((losses, LOSSES), (weighting, WEIGHTINGS)):
            if value not in valid:
                raise UserError(f"Source training with {value!r} is unknown.", did_you_mean(value, valid))
        self.tasks = tuple(tasks)
        self._losses: Mapping[str, Loss] = dict(TASK_LOSSES) if losses == "masked" else _known_pixels(TASKONOMY_LOSSES)
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


def _known_pixels(losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """The release masks nothing, since its files hold a number everywhere; our 255 is no number to regress.

    Such pixels count as predicted exactly: they stay in the mean, but add no error.
    """

    def known(loss: Loss) -> Loss:
        def masked(prediction: Tensor, label: Tensor) -> Tensor:
            valid = (label != IGNORE).all(dim=1, keepdim=True)
            return loss(torch.where(valid, prediction, 0.0), torch.where(valid, label, 0.0))

        return masked

    return {task: loss if task == "semseg" else known(loss) for task, loss in losses.items()}
