"""The torchvision ResNets as encoders, with either stem."""

from __future__ import annotations

from collections.abc import Callable

import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from ttt_bench.networks.config import IMAGENET_FILES
from ttt_bench.networks.contract import Encoder


def _resnet10() -> ResNet:
    """One basic block a stage: 4.9 M parameters, for laptops without a GPU."""
    return ResNet(BasicBlock, [1, 1, 1, 1])


RESNETS: dict[str, Callable[[], ResNet]] = {
    "resnet10": _resnet10,
    **{name: getattr(torchvision.models, name) for name in IMAGENET_FILES},
}


class ResNetEncoder(Encoder):
    """A ResNet without its classifier. State-dict keys are torchvision's, less ``fc``."""

    def __init__(self, backbone: str = "resnet50", stem: str = "imagenet") -> None:
        """``backbone``: a key of ``RESNETS``; ``stem``: ``imagenet`` or, for small images, ``cifar``."""
        super().__init__()
        net = RESNETS[backbone]()
        if stem == "cifar":
            net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
            net.maxpool = nn.Identity()
            self.stride = 1
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.channels = tuple(_width(stage) for stage in self.stages())

    def stem(self) -> tuple[nn.Module, ...]:
        """The modules with weights; ``begin`` runs the others too."""
        return (self.conv1, self.bn1)

    def stages(self) -> tuple[nn.Module, ...]:
        """The four stages, whose outputs are c2, c3, c4 and c5."""
        return (self.layer1, self.layer2, self.layer3, self.layer4)

    def begin(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> what the first stage reads."""
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return x


def _width(stage: nn.Module) -> int:
    block = list(stage.children())[-1]
    last = [layer for name, layer in block.named_children() if name.startswith("conv")][-1]
    assert isinstance(last, nn.Conv2d)
    return last.out_channels
