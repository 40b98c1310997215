"""The multi-task network of the paper: encoder, one light head per task, predictions at image size."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.encoders import build_encoder
from ttt_bench.networks.fused import ConcatConv1x1, fused_conv1x1, resize
from ttt_bench.networks.pooled import PooledHead


class MultiTask(Network):
    """Encoder plus one head per task (S4T section 4.1: 23,554,124 parameters for 7+1+3+1 outputs).

    Tasks with one answer per image read the pooled last map; the others all levels, by a fused 1x1 convolution.
    """

    def __init__(self, config: NetworkConfig, outputs: Mapping[str, int], per_image: Collection[str] = ()) -> None:
        super().__init__(config, outputs, per_image)
        self.encoder = build_encoder(config)
        build = LinearHead if config.heads == "linear" else ConvHead
        self.heads: nn.ModuleDict = nn.ModuleDict(
            {
                task: PooledHead(self.channels[-1], count)
                if task in self.per_image
                else build(self.channels, count, config.hidden)
                for task, count in outputs.items()
            }
        )

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Features -> predictions of every task, maps at ``size`` (H, W)."""
        found = self._maps(features, size)
        found |= {task: self.heads[task](features) for task in self.per_image}
        return {task: found[task] for task in self.outputs}

    def _maps(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """All dense tasks share one pass over the features and one resize to image size."""
        heads = {task: head for task, head in self.heads.items() if isinstance(head, Head)}
        if not heads:
            return {}
        grid = (max(1, size[0] // self.encoder.stride), max(1, size[1] // self.encoder.stride))
        weight = torch.cat([head.reduce.weight for head in heads.values()])
        bias = torch.cat([head.reduce.bias for head in heads.values()])
        reduced = fused_conv1x1(features, weight, bias, grid)
        parts = torch.split(reduced, [head.reduce.out_channels for head in heads.values()], dim=1)
        maps = torch.cat([head.finish(part) for head, part in zip(heads.values(), parts, strict=True)], dim=1)
        split = torch.split(resize(maps, size), [self.outputs[task] for task in heads], dim=1)
        return dict(zip(heads, split, strict=True))


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
