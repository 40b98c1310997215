"""The tiny networks that the reference vectors of ActMAD, ClusT3, NC-TTT and TTTFlow were made with.

Built from their description in words. They derive from the benchmark's encoder and network, so that what
runs in parity is the benchmark's own forward, with smaller stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import SourceBatch
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.resnet import ResNetEncoder

TRUNK_CHANNELS = (6, 8, 8, 10)


class TinyEncoder(ResNetEncoder):
    """A stem without pooling and four given stages."""

    def __init__(self, stages: Sequence[nn.Module], channels: Sequence[int], inplace: bool = False) -> None:
        nn.Module.__init__(self)
        self.conv1 = _conv(3, 4)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=inplace)
        self.maxpool = nn.Identity()
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.channels = tuple(channels)


class TinyTrunk(Network):
    """Stem 3->4, stages 4->6->8->8->10 (the second and third halve the map), linear classifier."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__(NetworkConfig(), {"class": classes})
        strides = (1, 2, 2, 1)
        inputs = (4, *TRUNK_CHANNELS[:-1])
        stages = [_stage(*shape) for shape in zip(inputs, TRUNK_CHANNELS, strides, strict=True)]
        self.encoder = TinyEncoder(stages, TRUNK_CHANNELS)
        self.fc = nn.Linear(TRUNK_CHANNELS[-1], classes)

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Class logits (B, 5) of the globally averaged last map; ``size`` is not used."""
        return {"class": self.fc(features[-1].mean((2, 3)))}


class TinyResNet(Network):
    """Stem 3->4, a residual block 4->6 at half size, a stage 6->8, a dense 1x1 head 8->5."""

    def __init__(self, inplace: bool, classes: int = 5) -> None:
        """Build the network; ``inplace``: ReLU and the residual sum overwrite their input."""
        super().__init__(NetworkConfig(), {"class": classes})
        last = nn.Sequential(_conv(6, 8), nn.BatchNorm2d(8), nn.ReLU(inplace=inplace))
        stages = (TinyBlock(4, 6, inplace), last, nn.Identity(), nn.Identity())
        self.encoder = TinyEncoder(stages, (6, 8, 8, 8), inplace)
        self.head = nn.Conv2d(8, classes, 1)

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Logits (B, 5, H/2, W/2)."""
        return {"class": self.head(features[-1])}


class TinyBlock(nn.Module):
    """One convolution with a projected shortcut, laid out like torchvision's residual blocks."""

    def __init__(self, inputs: int, outputs: int, inplace: bool) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs, 2)
        self.bn = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=2, bias=False), nn.BatchNorm2d(outputs))
        self.inplace = inplace

    def _projected(self, maps: Tensor) -> Tensor:
        """The 1x1 convolution of stride 2 as one of stride 1 on every second pixel: the same sums.

        With fewer input channels than a vector register holds, channels innermost, oneDNN writes past its workspace in
        the weight gradient of a strided one (uxlfoundation/oneDNN#6035): wrong numbers or an abort, by processor.
        """
        return F.conv2d(maps[..., ::2, ::2], self.downsample[0].weight)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, outputs, H/2, W/2)."""
        out: Tensor = self.bn(self.conv(maps))
        shortcut = self.downsample[1](self._projected(maps))
        if self.inplace:
            out += shortcut
        else:
            out = out + shortcut
        return F.relu(out, inplace=self.inplace)


class Names:
    """Translates between the official state-dict names and ours, by prefix."""

    def __init__(self, table: Mapping[str, str]) -> None:
        """``table``: official prefix -> our prefix; the longest prefix that fits is used."""
        self.table = dict(sorted(table.items(), key=lambda pair: -len(pair[0])))
        self.back = dict(sorted(((b, a) for a, b in table.items()), key=lambda pair: -len(pair[0])))

    def ours(self, state: Mapping[str, Any]) -> dict[str, Tensor]:
        """An official state (arrays) under our names; names without a rule are left out."""
        named = ((_swap(key, self.table), value) for key, value in state.items())
        return {key: torch.as_tensor(value) for key, value in named if key is not None}

    def official(self, state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
        """Our state under official names, each after ``prefix``; copies."""
        named = ((_swap(key, self.back), value) for key, value in state.items())
        return {prefix + key: value.detach().clone() for key, value in named if key is not None}


def trunk_names(prefix: str = "") -> dict[str, str]:
    """Rules for ``TinyTrunk`` inside a ``Model``; ``prefix``: what the official names start with."""
    parts = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
    return {f"{prefix}{part}": f"network.encoder.{part}" for part in parts} | {f"{prefix}fc.": "network.fc."}


RESNET_NAMES = {
    "conv1.": "network.encoder.conv1.",
    "bn1.": "network.encoder.bn1.",
    "conv2.": "network.encoder.layer1.conv.",
    "bn2.": "network.encoder.layer1.bn.",
    "down.": "network.encoder.layer1.downsample.",
    "conv3.": "network.encoder.layer2.0.",
    "bn3.": "network.encoder.layer2.1.",
    "head.": "network.head.",
}
"""Rules for ``TinyResNet`` inside a ``Model``."""


def run_updates(adapter: Adapter, stream: Iterable[Tensor], names: Names) -> dict[str, Tensor]:
    """One update on each batch of ``stream``: the loss before and the whole state after every step."""
    answer: dict[str, Tensor] = {}
    for step, images in enumerate(stream):
        loss = adapter.update(images)
        assert loss is not None
        answer[f"out/loss_step{step}"] = loss
        answer |= names.official(adapter.model.state_dict(), f"s{step + 1}/")
    return answer


def source_batch(network: Network, images: Tensor, labels: Tensor | None = None) -> tuple[SourceBatch, Tensor]:
    """What a method sees of a source batch, and the classification loss (0 without labels)."""
    features = network.features(images)
    predictions = network.predict(features, (images.shape[-2], images.shape[-1]))
    given = {} if labels is None else {"class": labels}
    loss = images.new_zeros(()) if labels is None else F.cross_entropy(predictions["class"], labels)
    return SourceBatch(images, given, features, predictions), loss


def _swap(key: str, rules: Mapping[str, str]) -> str | None:
    for old, new in rules.items():
        if key.startswith(old):
            return new + key[len(old) :]
    return None


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv(inputs, outputs, stride), nn.BatchNorm2d(outputs), nn.ReLU())
