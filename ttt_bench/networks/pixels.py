"""Pixels are normalised once: as the data come, or as the weights were trained, told by ``NetworkConfig.pixels``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttt_bench.domains.normalisation import SCALINGS
from ttt_bench.networks.config import NetworkConfig

Scaling = tuple[tuple[float, float, float], tuple[float, float, float]]


def rescaling(config: NetworkConfig) -> nn.Module | None:
    """From the normalisation that images come with to the one that the weights expect; None where they are the same."""
    if config.pixels in ("domain", config.given):
        return None
    return Rescaling(_scaling(config.given), _scaling(config.pixels))


def _scaling(name: str) -> Scaling:
    return ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) if name == "raw" else SCALINGS[name]


class Rescaling(nn.Module):
    """Images normalised by one (mean, deviation) -> normalised by another."""

    factor: Tensor
    offset: Tensor

    def __init__(self, given: Scaling, wanted: Scaling) -> None:
        super().__init__()
        (mean, std), (goal, spread) = (
            # On the CPU even where a network is built without memory for its weights.
            torch.tensor(each, dtype=torch.float64, device="cpu").view(2, 3, 1, 1)
            for each in (given, wanted)
        )
        self.register_buffer("factor", (std / spread).float(), persistent=False)
        self.register_buffer("offset", ((mean - goal) / spread).float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same shape."""
        return images * self.factor + self.offset
