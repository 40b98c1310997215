"""The architecture as settings. No torch, so that planning stays instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides the architecture; part of a source model's identity."""

    backbone: str = "resnet50"
    heads: str = "linear"
    """``linear``: the paper's single 1x1 convolution. ``conv``: 1x1 to ``hidden``, ReLU, 3x3."""
    hidden: int = 64
    weights: str = "none"
    """``none``, ``imagenet`` or the path of a torchvision state dict."""
