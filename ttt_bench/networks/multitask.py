"""The multi-task network every method shares: encoder, fused heads, predictions at image size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.fused import ConcatConv1x1, fused_conv1x1, resize
from ttt_bench.networks.resnet import Encoder

Predictions = dict[str, Tensor]
"""Raw outputs by task, (B, C_t, H, W): class logits, metres, un-normalised normals, edge logit."""


class Network(nn.Module):
    """Encoder plus one head per task (S4T section 4.1: 23,554,124 parameters for 7+1+3+1 outputs)."""

    def __init__(self, config: NetworkConfig, outputs: Mapping[str, int]) -> None:
        """Build the network.

        Args:
            config: architecture.
            outputs: output channels by task; the order of tasks is the order of this mapping.
        """
        super().__init__()
        if config.heads not in ("linear", "conv"):
            raise UserError(f"--heads {config.heads!r} is unknown.", "Valid: linear, conv.")
        self.config = config
        self.outputs = dict(outputs)
        self.encoder = Encoder(config.backbone, config.weights)
        build: Callable[[Sequence[int], int, int], Head] = LinearHead if config.heads == "linear" else ConvHead
        self.heads = nn.ModuleDict(
            {task: build(self.encoder.channels, channels, config.hidden) for task, channels in outputs.items()}
        )
        # Channels innermost: a fifth to a third faster on CPUs, and what tensor cores want.
        self.to(memory_format=torch.channels_last)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in output order."""
        return tuple(self.outputs)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of c2..c5."""
        return self.encoder.channels

    def features(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> [c2, c3, c4, c5], up to stage ``last``."""
        levels: list[Tensor] = self.encoder(images.contiguous(memory_format=torch.channels_last), last)
        return levels

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Features -> predictions of every task at ``size`` (H, W).

        All tasks share one pass over the features and one resize to image size.
        """
        grid = (size[0] // 4, size[1] // 4)
        heads = [cast(Head, head) for head in self.heads.values()]
        weight = torch.cat([head.reduce.weight for head in heads])
        bias = torch.cat([head.reduce.bias for head in heads])
        reduced = fused_conv1x1(features, weight, bias, grid)
        parts = torch.split(reduced, [head.reduce.out_channels for head in heads], dim=1)
        maps = torch.cat([head.finish(part) for head, part in zip(heads, parts, strict=True)], dim=1)
        split = torch.split(resize(maps, size), list(self.outputs.values()), dim=1)
        return dict(zip(self.outputs, split, strict=True))

    def forward(self, images: Tensor) -> Predictions:
        """(B, 3, H, W) -> predictions of every task at image size."""
        return self.predict(self.features(images), (images.shape[-2], images.shape[-1]))


class Head(nn.Module):
    """One task's head: a fused 1x1 convolution that all heads share one pass for, then its own rest."""

    def __init__(self, in_channels: Sequence[int], reduced_channels: int) -> None:
        super().__init__()
        self.reduce = ConcatConv1x1(in_channels, reduced_channels)

    def finish(self, reduced: Tensor) -> Tensor:
        """(B, reduced, h, w) of the fused convolution -> the head's output (B, out, h, w)."""
        raise NotImplementedError


class LinearHead(Head):
    """The paper's head: one 1x1 convolution over the concatenated features."""

    def __init__(self, in_channels: Sequence[int], out_channels: int, hidden: int) -> None:
        super().__init__(in_channels, out_channels)

    def finish(self, reduced: Tensor) -> Tensor:
        """Nothing is left to do."""
        return reduced


class ConvHead(Head):
    """A head with one hidden layer: 1x1 to ``hidden``, ReLU, 3x3."""

    def __init__(self, in_channels: Sequence[int], out_channels: int, hidden: int) -> None:
        super().__init__(in_channels, hidden)
        self.out = nn.Conv2d(hidden, out_channels, 3, padding=1)

    def finish(self, reduced: Tensor) -> Tensor:
        """ReLU and the 3x3 convolution."""
        output: Tensor = self.out(F.relu(reduced))
        return output
