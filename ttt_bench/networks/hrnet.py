"""HRNetV2-W18 (Wang et al., TPAMI 2020): four branches of different resolution that exchange their maps.

Names of parameters are those of the published ImageNet state dicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from ttt_bench.networks.whole import WholeEncoder

WIDTHS = (18, 36, 72, 144)
MODULES = {2: 1, 3: 4, 4: 3}
"""Exchange modules of each stage; stage k has k branches."""
BLOCKS = 4


class HRNetEncoder(WholeEncoder):
    """HRNet-W18 without its classifier: maps of 18, 36, 72 and 144 channels at strides 4, 8, 16 and 32."""

    channels = WIDTHS

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64)
        first = Bottleneck(64, 64, downsample=_conv_norm(64, 256, 1))
        self.layer1 = nn.Sequential(first, *(Bottleneck(256, 64) for _ in range(BLOCKS - 1)))
        self.transition1 = nn.ModuleList([_step(256, WIDTHS[0], 1), nn.Sequential(_step(256, WIDTHS[1], 2))])
        self.stage2 = _stage(2)
        self.transition2 = _new_branch(2)
        self.stage3 = _stage(3)
        self.transition3 = _new_branch(3)
        self.stage4 = _stage(4)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the last stage's four branches."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = self.layer1(F.relu(self.bn2(self.conv2(x))))
        branches = [transition(x) for transition in self.transition1]
        for stage, transition in ((self.stage2, self.transition2), (self.stage3, self.transition3)):
            branches = stage(branches)
            branches.append(transition[-1](branches[-1]))
        finished: list[Tensor] = self.stage4(branches)
        return finished


class Exchange(nn.Module):
    """Four residual blocks on each branch, then every branch becomes the sum of all."""

    def __init__(self, count: int) -> None:
        super().__init__()
        widths = WIDTHS[:count]
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(BLOCKS))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse(source, goal) for source in range(count)) for goal in range(count)
        )

    def forward(self, branches: Sequence[Tensor]) -> list[Tensor]:
        """Maps of each branch -> maps of the same shapes."""
        maps = [branch(each) for branch, each in zip(self.branches, branches, strict=True)]
        return [_total(layers, maps, goal) for goal, layers in enumerate(self.fuse_layers)]


def _total(layers: nn.Module, maps: Sequence[Tensor], goal: int) -> Tensor:
    size = (maps[goal].shape[-2], maps[goal].shape[-1])
    assert isinstance(layers, nn.ModuleList)
    parts = [layer(each) for layer, each in zip(layers, maps, strict=True)]
    # Enlarged to the goal's own size, which for sides that 32 does not divide is not a power of two times the source's.
    parts = [part if part.shape[-2:] == maps[goal].shape[-2:] else F.interpolate(part, size) for part in parts]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return F.relu(total)


def _fuse(source: int, goal: int) -> nn.Module:
    """From branch ``source`` to branch ``goal``: itself, a narrowing to be enlarged, or convolutions of stride 2."""
    if source == goal:
        return nn.Identity()
    if source > goal:
        return _conv_norm(WIDTHS[source], WIDTHS[goal], 1)
    steps: list[nn.Module] = [_step(WIDTHS[source], WIDTHS[source], 2) for _ in range(goal - source - 1)]
    return nn.Sequential(*steps, _conv_norm(WIDTHS[source], WIDTHS[goal], 3, 2))


def _stage(count: int) -> nn.Sequential:
    return nn.Sequential(*(Exchange(count) for _ in range(MODULES[count])))


def _new_branch(count: int) -> nn.ModuleList:
    """The branches that there are pass; one of half the size joins them."""
    narrow, wide = list(pairwise(WIDTHS))[count - 1]
    return nn.ModuleList([*(nn.Identity() for _ in range(count)), nn.Sequential(_step(narrow, wide, 2))])


def _step(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*_conv_norm(inputs, outputs, 3, stride), nn.ReLU(inplace=True))


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))
