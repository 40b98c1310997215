"""Networks made for images of 32 pixels: wide ResNets, and TTT's ResNet-26 with batch or group norm.

Three stages at strides 1, 2 and 4, of pre-activation blocks: norm, ReLU, convolution. Names of parameters are those of
the published state dicts, up to ``foreign``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.networks.contract import Encoder

Norm = Callable[[int], nn.Module]

GROUPS = 8
"""Groups of a group norm in TTT's ResNet-26 (Sun et al., ICML 2020)."""


class WideEncoder(Encoder):
    """A wide ResNet (Zagoruyko and Komodakis, BMVC 2016): WRN-28-10 with 36.5 M parameters, WRN-40-2 with 2.2 M."""

    stride = 1
    foreign: ClassVar[dict[str, str]] = {"block3.": "block3.block.", "bn1.": "block3.norm."}

    def __init__(self, depth: int, widen: int) -> None:
        """WRN-``depth``-``widen``."""
        super().__init__()
        count = (depth - 4) // 6
        widths = (16, 16 * widen, 32 * widen, 64 * widen)
        self.channels = widths[1:]
        self.conv1 = _conv3x3(3, 16)
        self.block1, self.block2, third = (
            WideStage(count, inputs, outputs, stride)
            for inputs, outputs, stride in zip(widths, widths[1:], (1, 2, 2), strict=False)
        )
        self.block3 = Ended(third, nn.BatchNorm2d(widths[3]))
        _initialise(self)

    def stem(self) -> tuple[nn.Module, ...]:
        """One convolution."""
        return (self.conv1,)

    def stages(self) -> tuple[nn.Module, ...]:
        """The three stages; the last ends with the network's last norm."""
        return (self.block1, self.block2, self.block3)


class WideStage(nn.Module):
    """``count`` blocks, the first of which changes width and size."""

    def __init__(self, count: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first = WideBlock(inputs, outputs, stride)
        self.layer = nn.Sequential(first, *(WideBlock(outputs, outputs, 1) for _ in range(count - 1)))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        result: Tensor = self.layer(maps)
        return result


class WideBlock(nn.Module):
    """Two 3x3 convolutions; where the width changes, the shortcut reads what norm and ReLU left."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), _conv3x3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), _conv3x3(outputs, outputs)
        self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        active = F.relu(self.bn1(maps))
        result: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return result + (maps if self.convShortcut is None else self.convShortcut(active))


class ResNet26Encoder(Encoder):
    """TTT's ResNet-26: four blocks a stage of 16, 32 and 64 channels, shortcuts without weights."""

    stride = 1
    channels = (16, 32, 64)
    foreign: ClassVar[dict[str, str]] = {"layer3.": "layer3.block.", "bn.": "layer3.norm."}

    def __init__(self, norm: str = "batch") -> None:
        """``norm``: ``batch``, or ``group`` with 8 groups."""
        super().__init__()
        make: Norm = nn.BatchNorm2d if norm == "batch" else lambda width: nn.GroupNorm(GROUPS, width)
        self.conv1 = _conv3x3(3, 16)
        self.layer1, self.layer2, third = (
            nn.Sequential(
                PlainBlock(inputs, outputs, stride, make), *(PlainBlock(outputs, outputs, 1, make) for _ in range(3))
            )
            for inputs, outputs, stride in ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        )
        self.layer3 = Ended(third, make(64))
        _initialise(self)

    def stem(self) -> tuple[nn.Module, ...]:
        """One convolution."""
        return (self.conv1,)

    def stages(self) -> tuple[nn.Module, ...]:
        """The three stages; the last ends with the network's last norm."""
        return (self.layer1, self.layer2, self.layer3)


class PlainBlock(nn.Module):
    """Two 3x3 convolutions; a shortcut that averages pixels and pads channels with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.bn1, self.conv1 = norm(inputs), _conv3x3(inputs, outputs, stride)
        self.bn2, self.conv2 = norm(outputs), _conv3x3(outputs, outputs)
        self.stride, self.padding = stride, outputs - inputs

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        result: Tensor = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(maps))))))
        if self.stride > 1:
            # Rounded up, as the convolution does with sides that the stride does not divide.
            maps = F.avg_pool2d(maps, self.stride, ceil_mode=True)
        return result + F.pad(maps, (0, 0, 0, 0, 0, self.padding))


class Ended(nn.Module):
    """A stage followed by norm and ReLU, without which a pre-activation network's last map is not usable."""

    def __init__(self, block: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.block, self.norm = block, norm

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> the stage's map, normalised and rectified."""
        return torch.relu(self.norm(self.block(maps)))


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def _initialise(module: nn.Module) -> None:
    """Convolutions as He et al. (2015) by fan-out, as both papers do."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
