"""1x1 convolutions of concatenated, resized feature maps without ever making the concatenation.

``conv1x1(concat(up(c2), ..., up(c5)))`` is linear in every level and a 1x1 convolution commutes with bilinear
resizing, so it equals the sum over levels of ``up(conv1x1_l(c_l))`` plus the bias. For ResNet-50 at stride 4
that is about 1/8 of the arithmetic, and the 3840-channel map never exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resize (align_corners off) of (B, C, h, w) to ``size``; the input itself when nothing changes."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def fused_conv1x1(levels: Sequence[Tensor], weight: Tensor, bias: Tensor | None, grid: tuple[int, int]) -> Tensor:
    """``conv1x1(concat(resize(level, grid) for level in levels))``, computed level by level.

    Args:
        levels: maps (B, C_l, h_l, w_l).
        weight: (out, sum of C_l, 1, 1), the weight of the naive convolution.
        bias: (out,) or None.
        grid: (h, w) of the result.

    Returns:
        (B, out, h, w).
    """
    parts = torch.split(weight, [level.shape[1] for level in levels], dim=1)
    total = sum(resize(F.conv2d(level, part), grid) for level, part in zip(levels, parts, strict=True))
    assert isinstance(total, Tensor), "at least one level is needed"
    return total if bias is None else total + bias.view(1, -1, 1, 1)


class ConcatConv1x1(nn.Module):
    """A 1x1 convolution over the concatenation of all feature levels, in fused form.

    Its parameters are those of ``nn.Conv2d(sum(in_channels), out_channels, 1)``, with that class's
    initialisation, so weights move freely between the fused and the naive form.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        total = sum(in_channels)
        self.in_channels = tuple(in_channels)
        self.out_channels = out_channels
        self.weight = nn.Parameter(torch.empty(out_channels, total, 1, 1))
        self.bias = nn.Parameter(torch.empty(out_channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        nn.init.uniform_(self.bias, -1 / math.sqrt(total), 1 / math.sqrt(total))

    def forward(self, levels: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """Maps (B, C_l, h_l, w_l) -> (B, out, *grid)."""
        return fused_conv1x1(levels, self.weight, self.bias, grid)
