"""Means and variances over the rows of wide activations, at the speed of memory.

``torch.var_mean`` over the batch of a feature map walks it with the batch innermost, one value at a time: on a CPU it
takes twenty to a hundred times as long as a copy of the map, and every method that matches moments by location pays it
at each layer. Here the same numbers come from passes in the order in which the map lies in memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def batch_moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance over the images of (B, C, H, W), B >= 2: both (C, H, W), differentiable once."""
    if maps.is_contiguous(memory_format=torch.channels_last) and not maps.is_contiguous():
        mean, var = _RowMoments.apply(maps.permute(0, 2, 3, 1))
        return mean.permute(2, 0, 1), var.permute(2, 0, 1)
    mean, var = _RowMoments.apply(maps)
    return mean, var


def channel_moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance over images and places of (B, C, H, W): both (C, 1, 1), differentiable once."""
    mean, var = _RowMoments.apply(maps.permute(0, 2, 3, 1).flatten(0, 2))
    return mean[:, None, None], var[:, None, None]


class _RowMoments(torch.autograd.Function):
    """(n, ...) -> mean and unbiased variance over the first dimension.

    d mean / d x = 1 / n and d var / d x = 2 (x - mean) / (n - 1), so the centred values are all that is kept; the
    input may be overwritten afterwards (by a ReLU in place).
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
        mean = rows.mean(0)
        centred = rows - mean
        ctx.save_for_backward(centred)
        return mean, centred.square().sum(0) / (len(rows) - 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_mean: Tensor, grad_var: Tensor) -> Tensor:
        (centred,) = ctx.saved_tensors
        n = len(centred)
        return torch.addcmul(grad_mean / n, centred, grad_var * (2 / (n - 1)))
