"""Source losses of the S4T release on Taskonomy, by the names of its switches.

Nothing here is used by default. Oddities: the Taskonomy normal loss takes its cosine along image width, its
depth and edge losses ignore no pixel, the weights of the tasks are learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ttt_bench.tasks.catalogue import get_task


def automatic_weighting(losses: Sequence[Tensor], sigma: Tensor) -> Tensor:
    """sum_t 0.5 / s_t^2 l_t + log(1 + s_t^2), with l_t = ``losses[t]``, scalars, and s_t = ``sigma[t]``, (T,)."""
    values = torch.stack(tuple(losses))
    return (0.5 / sigma**2 * values + torch.log1p(sigma**2)).sum()


def taskonomy_l1(prediction: Tensor, label: Tensor) -> Tensor:
    """Plain mean absolute error, no mask; both (B, 1, H, W)."""
    return (prediction - label).abs().mean()


def taskonomy_normal(prediction: Tensor, label: Tensor) -> Tensor:
    """1 - cosine between image rows, per channel: sum and norms run along the width; all (B, 3, H, W)."""
    norms = (prediction.norm(dim=-1) + 1e-6) * (label.norm(dim=-1) + 1e-6)
    cosine: Tensor = (prediction * label).sum(dim=-1) / norms
    return 1 - cosine.mean()


TASKONOMY_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "semseg": get_task("semseg").loss,
    "depth": taskonomy_l1,
    "normal": taskonomy_normal,
    "edge": taskonomy_l1,
}
"""The release's source losses on Taskonomy, by our task names."""
