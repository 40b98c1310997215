"""MTI-Net: multi-scale task interaction (Vandenhende, Georgoulis and Van Gool, ECCV 2020), written from the paper.

At each scale, from coarse to fine, every task gets features and an initial prediction of its own (section 3.2); what
the coarser scale found for all tasks enters the finer one (feature propagation, section 3.4). At each scale the tasks
then read each other through spatial attention (multi-modal distillation, section 3.3), and every task's final
prediction comes from all of its scales. The initial predictions are supervised too, at all scales.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from ttt_bench.errors import UserError
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.encoders import build_encoder
from ttt_bench.networks.fused import resize
from ttt_bench.networks.pooled import PooledHead

WIDEST = 256
"""Encoders with wider maps are read through a feature pyramid of an eighth of their last width: ResNet-50's of 256."""

ByTask = dict[str, Tensor]


class MTINet(Network):
    """An encoder and a decoder in which tasks interact at every scale; any number of scales.

    Tasks with one answer per image take no part in the interaction: they read the pooled last map.
    """

    def __init__(self, config: NetworkConfig, outputs: Mapping[str, int], per_image: Collection[str] = ()) -> None:
        super().__init__(config, outputs, per_image)
        maps = {task: count for task, count in outputs.items() if task not in self.per_image}
        if not maps:
            raise UserError(
                "MTI-Net needs a task with an answer per pixel.", "Use --architecture multitask for whole images."
            )
        self.encoder = build_encoder(config)
        self.heads: nn.ModuleDict = nn.ModuleDict({"decoder": Decoder(self.channels, maps)})
        for task in self.per_image:
            self.heads[task] = PooledHead(self.channels[-1], outputs[task])

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Features -> the final predictions of every task, maps at ``size``."""
        return self.supervised(features, size)[0]

    def supervised(self, features: Sequence[Tensor], size: tuple[int, int]) -> list[Predictions]:
        """The final predictions, and the initial ones of every scale, the finest first, all at ``size``."""
        final, *initial = self.heads["decoder"](features)
        found = {task: resize(maps, size) for task, maps in final.items()}
        found |= {task: self.heads[task](features) for task in self.per_image}
        deeper = [{task: resize(maps, size) for task, maps in scale.items()} for scale in initial]
        return [{task: found[task] for task in self.outputs}, *deeper]


class Decoder(nn.Module):
    """From the encoder's maps to final and initial predictions, each at its scale's resolution."""

    def __init__(self, channels: Sequence[int], outputs: Mapping[str, int]) -> None:
        super().__init__()
        tasks = tuple(outputs)
        width = channels[-1] // 8
        self.pyramid = Pyramid(channels, width) if max(channels) > WIDEST else None
        widths = [width] * len(channels) if self.pyramid else list(channels)
        coarser = [*widths[1:], 0]
        self.initial = nn.ModuleList(Initial(own, above, outputs) for own, above in zip(widths, coarser, strict=True))
        self.propagation = nn.ModuleList(Propagation(each, tasks) for each in widths[1:])
        self.distillation = nn.ModuleList(Distillation(each, tasks) for each in widths)
        self.final = nn.ModuleDict({task: FinalHead(sum(widths), count) for task, count in outputs.items()})

    def forward(self, features: Sequence[Tensor]) -> list[ByTask]:
        """Maps of all scales -> final predictions, then the initial ones of every scale, the finest first."""
        levels = self.pyramid(features) if self.pyramid else list(features)
        found: list[ByTask] = []
        initial: list[ByTask] = []
        for scale in reversed(range(len(levels))):
            above = self.propagation[scale](found[0]) if found else {}
            maps, predictions = self.initial[scale](levels[scale], above)
            found.insert(0, maps)
            initial.insert(0, predictions)
        distilled = [module(maps) for module, maps in zip(self.distillation, found, strict=True)]
        final = {task: head([maps[task] for maps in distilled]) for task, head in self.final.items()}
        return [final, *initial]


class Pyramid(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017): all maps at one width, the coarse ones added to the finer."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, width, 1) for each in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C_l, h_l, w_l) -> maps (B, width, h_l, w_l)."""
        levels = [layer(each) for layer, each in zip(self.lateral, features, strict=True)]
        for scale in reversed(range(len(levels) - 1)):
            levels[scale] = levels[scale] + resize(levels[scale + 1], _size(levels[scale]))
        return [layer(each) for layer, each in zip(self.smooth, levels, strict=True)]


class Initial(nn.Module):
    """Every task's features at one scale, by two residual blocks, and its initial prediction from them."""

    def __init__(self, width: int, above: int, outputs: Mapping[str, int]) -> None:
        """``above``: channels of each task's features from the coarser scale, 0 at the coarsest."""
        super().__init__()
        self.refine = nn.ModuleDict(
            {task: nn.Sequential(_block(width + above, width), _block(width, width)) for task in outputs}
        )
        self.decode = nn.ModuleDict({task: nn.Conv2d(width, count, 1) for task, count in outputs.items()})

    def forward(self, level: Tensor, above: ByTask) -> tuple[ByTask, ByTask]:
        """The scale's shared map, and each task's propagated one -> features and predictions by task."""
        found = {}
        for task, refine in self.refine.items():
            parts = [level, resize(above[task], _size(level))] if above else [level]
            found[task] = refine(torch.cat(parts, dim=1))
        return found, {task: self.decode[task](maps) for task, maps in found.items()}


class Propagation(nn.Module):
    """What one scale passes to the finer: all tasks' features, weighed by attention between tasks, then shared.

    Per position and channel, a softmax over tasks says how much of each enters the shared representation, which is
    reduced to one task's width; each task adds it to its own features behind a squeeze-and-excitation gate.
    """

    def __init__(self, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        together = width * len(tasks)
        self.attention = nn.Sequential(_block(together, width), _block(width, width), nn.Conv2d(width, together, 1))
        self.reduce = _block(together, width)
        self.gates = nn.ModuleDict({task: Gate(width) for task in tasks})

    def forward(self, found: ByTask) -> ByTask:
        """Features by task (B, width, h, w) -> the same shapes."""
        stacked = torch.stack(list(found.values()), dim=1)
        weights = self.attention(stacked.flatten(1, 2)).view(stacked.shape).softmax(dim=1)
        shared = self.reduce((weights * stacked).flatten(1, 2))
        return {task: maps + self.gates[task](shared) for task, maps in found.items()}


class Gate(nn.Module):
    """Squeeze and excitation (Hu et al., CVPR 2018): channels scaled by what their averages say."""

    def __init__(self, width: int, reduction: int = 16) -> None:
        super().__init__()
        inner = max(1, width // reduction)
        self.layers = nn.Sequential(
            nn.Linear(width, inner, bias=False), nn.ReLU(), nn.Linear(inner, width, bias=False), nn.Sigmoid()
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> the same shape."""
        scale: Tensor = self.layers(maps.mean((2, 3)))
        return maps * scale[:, :, None, None]


class Distillation(nn.Module):
    """Each task adds what the others hold, gated place by place: F_k + sum over l of sigmoid(W F_l) * (V F_l)."""

    def __init__(self, width: int, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        others = [(goal, source) for goal in tasks for source in tasks if goal != source]
        self.gate = nn.ModuleDict({f"{goal}-{source}": _conv3x3(width) for goal, source in others})
        self.value = nn.ModuleDict({f"{goal}-{source}": _conv3x3(width) for goal, source in others})

    def forward(self, found: ByTask) -> ByTask:
        """Features by task (B, width, h, w) -> the same shapes."""
        distilled = {}
        for goal in self.tasks:
            total = found[goal]
            for source in self.tasks:
                if source != goal:
                    pair = f"{goal}-{source}"
                    total = total + self.gate[pair](found[source]).sigmoid() * self.value[pair](found[source])
            distilled[goal] = total
        return distilled


class FinalHead(nn.Module):
    """All scales of one task, enlarged to the finest: 1x1 convolution, norm, ReLU, 1x1 convolution."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.mix, self.norm = nn.Conv2d(width, width, 1), nn.BatchNorm2d(width)
        self.out = nn.Conv2d(width, outputs, 1)

    def forward(self, scales: Sequence[Tensor]) -> Tensor:
        """Maps of every scale, the finest first -> (B, outputs, h, w) of the finest."""
        enlarged = torch.cat([resize(maps, _size(scales[0])) for maps in scales], dim=1)
        answer: Tensor = self.out(F.relu(self.norm(self.mix(enlarged))))
        return answer


def _block(inputs: int, outputs: int) -> BasicBlock:
    if inputs == outputs:
        return BasicBlock(inputs, outputs)
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return BasicBlock(inputs, outputs, downsample=shortcut)


def _conv3x3(width: int) -> nn.Conv2d:
    return nn.Conv2d(width, width, 3, padding=1, bias=False)


def _size(maps: Tensor) -> tuple[int, int]:
    return (maps.shape[-2], maps.shape[-1])
