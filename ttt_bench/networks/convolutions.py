"""A guard for layers that a CPU library computes wrongly."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

REGISTER = 16
"""Values in the widest vector register: a convolution of fewer input channels is at risk."""


class SubsampledConv1x1(nn.Conv2d):
    """A 1x1 convolution with a stride, as one of stride 1 on every n-th pixel: the same sums, the same parameters."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        rows, columns = self.stride
        return F.conv2d(maps[..., ::rows, ::columns], self.weight, self.bias, groups=self.groups)


def make_safe(module: nn.Module) -> None:
    """Let every convolution at risk below ``module`` run in its safe form, in place; parameters stay the same objects.

    With channels innermost and fewer input channels than a vector register holds, oneDNN writes past its workspace in
    the weight gradient of a 1x1 convolution with a stride (uxlfoundation/oneDNN#6035): wrong numbers or an abort, by
    processor. Networks from outside, and tiny ones, may have such a layer.
    """
    for layer in module.modules():
        if type(layer) is nn.Conv2d and _at_risk(layer):
            layer.__class__ = SubsampledConv1x1


def _at_risk(layer: nn.Conv2d) -> bool:
    strided = layer.kernel_size == (1, 1) and max(layer.stride) > 1
    return strided and layer.padding == (0, 0) and layer.in_channels // layer.groups < REGISTER
