"""The encoder: a torchvision ResNet that hands out the outputs of its four stages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from ttt_bench.errors import UserError, did_you_mean

TORCHVISION_RESNETS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
)


def _resnet10(weights: object = None) -> ResNet:
    """One basic block a stage: 4.9 M parameters, for laptops without a GPU."""
    return ResNet(BasicBlock, [1, 1, 1, 1])


BACKBONES: dict[str, Callable[..., ResNet]] = {
    "resnet10": _resnet10,
    **{name: getattr(torchvision.models, name) for name in TORCHVISION_RESNETS},
}


class Encoder(nn.Module):
    """A ResNet without its classifier. State-dict keys are torchvision's, less ``fc``."""

    STAGES = ("layer1", "layer2", "layer3", "layer4")

    def __init__(self, backbone: str = "resnet50", weights: str = "none") -> None:
        """Build the encoder.

        Args:
            backbone: a key of ``BACKBONES``.
            weights: ``none``, ``imagenet`` (torchvision's IMAGENET1K_V1, those of the papers' time, from its cache
                or its download site) or the path of a state dict.

        Raises:
            UserError: the backbone is unknown, or the weights cannot be had or do not fit.
        """
        super().__init__()
        if backbone not in BACKBONES:
            raise UserError(f"--backbone {backbone!r} is unknown.", did_you_mean(backbone, BACKBONES))
        net = _with_weights(backbone, weights)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        self.channels: tuple[int, ...] = tuple(_width(stage) for stage in self.stages())

    def stages(self) -> tuple[nn.Module, ...]:
        """The four stages, whose outputs are c2, c3, c4 and c5."""
        return (self.layer1, self.layer2, self.layer3, self.layer4)

    def up_to(self, stage: int) -> tuple[nn.Module, ...]:
        """The modules from the stem to stage ``stage`` (1 = layer1) inclusive, in forward order."""
        return (self.conv1, self.bn1, *self.stages()[:stage])

    def forward(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> c2, c3, ... up to stage ``last``, at strides 4, 8, 16 and 32."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        levels = []
        for stage in self.stages()[:last]:
            x = stage(x)
            levels.append(x)
        return levels


def _width(stage: nn.Module) -> int:
    convs = [m for m in stage.modules() if isinstance(m, nn.Conv2d)]
    block = list(stage.children())[-1]
    last = getattr(block, "conv3", None) or getattr(block, "conv2", None) or convs[-1]
    return int(last.out_channels)


def _with_weights(backbone: str, weights: str) -> ResNet:
    build = BACKBONES[backbone]
    if weights == "none":
        return build(weights=None)
    if weights == "imagenet":
        if backbone not in TORCHVISION_RESNETS:
            raise UserError(f"There are no ImageNet weights for {backbone!r}.", "Use --weights none.")
        try:
            return build(weights="IMAGENET1K_V1")
        except OSError as error:
            raise UserError(
                f"The ImageNet weights of {backbone} could not be loaded: {error}.",
                "Use --weights none, or save torchvision's state dict to a file and give --weights FILE.",
            ) from error
    net = build(weights=None)
    state = load_state(Path(os.path.expanduser(weights)))  # noqa: PTH111 - the user may write ~
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    try:
        missing, unexpected = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise UserError(f"--weights {weights} does not fit {backbone}: {error}.") from error
    missing = [key for key in missing if not key.startswith("fc.")]
    if missing or unexpected:
        raise UserError(
            f"--weights {weights} does not fit {backbone}: {len(missing)} entries missing "
            f"({', '.join(missing[:3])}), {len(unexpected)} unexpected ({', '.join(unexpected[:3])}).",
            "Give the state dict of torchvision's network of that name.",
        )
    return net


def load_state(path: Path) -> dict[str, Any]:
    """Read a state dict from an untrusted file (tensors only, nothing executed).

    Raises:
        UserError: the file is missing or holds anything but tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"--weights {path} does not exist.") from error
    except Exception as error:  # torch raises several kinds for damaged or unsafe files
        raise UserError(f"--weights {path} is not a readable state dict: {error}.") from error
    if not isinstance(state, dict):
        raise UserError(f"--weights {path} holds a {type(state).__name__}, not a state dict.")
    return state
