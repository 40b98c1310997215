"""From the maps of an encoder's first three stages to one code, and back to maps of the same shapes.

ReC-TTT's bottleneck and decoder (Colussi et al., WACV 2025), after reverse distillation; widths follow the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, cat, nn
from torchvision.models.resnet import Bottleneck as Residual

from ttt_bench.networks.fused import resize

LEVELS = 3
"""Maps that are reconstructed: those of stages 1 to 3."""
EXPANSION: int = Residual.expansion


class Bottleneck(nn.Module):
    """Three maps to one code of half the coarsest one's size and twice its channels."""

    def __init__(self, channels: Sequence[int], blocks: int = 3) -> None:
        """Build it.

        Args:
            channels: of the three maps, the finest first.
            blocks: residual blocks behind the fusion.
        """
        super().__init__()
        fine, middle, coarse = channels
        self.outputs = 2 * coarse
        self.first = nn.Sequential(*_halving(fine, middle), *_halving(middle, coarse))
        self.second = nn.Sequential(*_halving(middle, coarse))
        shortcut = nn.Sequential(nn.Conv2d(3 * coarse, self.outputs, 1, 2, bias=False), nn.BatchNorm2d(self.outputs))
        self.blocks = nn.Sequential(
            _residual(3 * coarse, self.outputs, shortcut, stride=2),
            *(_residual(self.outputs, self.outputs) for _ in range(blocks - 1)),
        )
        _initialise(self)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_l, h_l, w_l) of levels 1 to 3 -> (B, 2 C_3, h_3 / 2, w_3 / 2), rounded up."""
        size = (maps[2].shape[-2], maps[2].shape[-1])
        levels = (self.first(maps[0]), self.second(maps[1]), maps[2])
        code: Tensor = self.blocks(cat([resize(level, size) for level in levels], dim=1))
        return code


class Decoder(nn.Module):
    """One code to three maps, each stage of twice the size of the one before; then 1x1 convolutions by output set."""

    def __init__(self, channels: Sequence[int], sets: int, blocks: Sequence[int] = (3, 4, 6)) -> None:
        """Build it.

        Args:
            channels: of the three maps to reconstruct, the finest first.
            sets: of output convolutions.
            blocks: residual blocks of the stages that make levels 3, 2 and 1.
        """
        super().__init__()
        inputs = (2 * channels[2], channels[2], channels[1])
        self.stages = nn.ModuleList(
            nn.Sequential(_doubling(before, after), *(_residual(after, after) for _ in range(count - 1)))
            for before, after, count in zip(inputs, reversed(channels), blocks, strict=True)
        )
        self.outputs = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, width, 1) for width in channels) for _ in range(sets)
        )
        _initialise(self)

    def forward(self, code: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """A code -> maps (B, C_l, *sizes[l]), the finest first, that the output sets read.

        Doubling overshoots sides that halving had rounded up; what differs from ``sizes`` is resized.
        """
        maps = []
        for stage, size in zip(self.stages, reversed(sizes), strict=True):
            code = resize(stage(code), size)
            maps.append(code)
        return maps[::-1]

    def read(self, maps: Sequence[Tensor], index: int) -> list[Tensor]:
        """What output set ``index`` makes of ``maps``, in their shapes."""
        layers = self.outputs[index]
        assert isinstance(layers, nn.ModuleList)
        return [layer(level) for layer, level in zip(layers, maps, strict=True)]


def _halving(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return (nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _residual(inputs: int, outputs: int, shortcut: nn.Module | None = None, stride: int = 1) -> Residual:
    """A residual block of a quarter of its width within, rounded down: HRNet-18's widths are no multiples of four."""
    width = outputs // EXPANSION
    block = Residual(inputs, width, stride, shortcut)
    if width * EXPANSION != outputs:
        block.conv3, block.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
    return block


def _doubling(inputs: int, outputs: int) -> Residual:
    """A residual block whose 3x3 convolution and shortcut are 2x2 transposed convolutions of stride 2."""
    width = outputs // EXPANSION
    shortcut = nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 2, 2, bias=False), nn.BatchNorm2d(outputs))
    block = _residual(inputs, outputs, shortcut)
    block.conv2 = nn.ConvTranspose2d(width, width, 2, 2, bias=False)
    return block


def _initialise(module: nn.Module) -> None:
    """Plain convolutions as He et al. (2015) by fan-out; transposed ones stay as the library draws them."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
