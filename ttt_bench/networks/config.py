"""The architecture as settings. No torch, so that planning stays instant."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ttt_bench.domains.normalisation import SCALINGS
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.files import sha256_of
from ttt_bench.identity import ASIDE, counts

IMAGENET_FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
    "resnet101": "resnet101-63fe2227.pth",
    "resnet152": "resnet152-394f9c45.pth",
    "resnext50_32x4d": "resnext50_32x4d-7cdf4587.pth",
    "wide_resnet50_2": "wide_resnet50_2-95faca4d.pth",
}
"""Backbones with ImageNet weights of the papers' time (torchvision's IMAGENET1K_V1), and the files' names, which end
with the beginning of their SHA-256."""
CIFAR_BACKBONES = ("resnet26", "resnet26_gn", "wrn28_10", "wrn40_2")
"""Networks made for images of 32 pixels; ``_gn``: group norm with 8 groups instead of batch norm."""
BACKBONES = ("resnet10", *IMAGENET_FILES, *CIFAR_BACKBONES, "hrnet18")
TIMM = "timm:"
"""What a backbone from the package timm starts with."""
HEADS = ("linear", "conv")
STEMS = ("imagenet", "cifar")
PIXELS = ("domain", "raw", *SCALINGS)
NAMED_WEIGHTS = ("none", "imagenet")


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides the architecture; part of a source model's identity."""

    backbone: str = "resnet50"
    heads: str = "linear"
    """``linear``: the paper's single 1x1 convolution. ``conv``: 1x1 to ``hidden``, ReLU, 3x3."""
    hidden: int = 64
    weights: str = "none"
    """``none``, ``imagenet`` or the path of a state dict."""
    content: str = field(default="", metadata=ASIDE)
    """SHA-256 of the weights' file: where it is known it counts as the weights, and the path does not."""
    architecture: str = "multitask"
    """What turns the backbone's maps into predictions: a name of ``networks.catalogue``."""
    stem: str = ""
    """``imagenet``: 7x7 of stride 2 and max-pooling; ``cifar``: 3x3 of stride 1; empty: the backbone's own."""
    pixels: str = "domain"
    """Which normalisation of the pixels the weights were trained with: ``domain``, what the data come with; ``raw``,
    pixels in [0, 1]; or a name of ``domains.normalisation.SCALINGS``."""
    given: str = field(default="imagenet", metadata=ASIDE)
    """The normalisation that the images come with, as the source says; part of the source's identity, not of this."""
    code: str = ""
    """Hash of the file of an architecture from outside: it counts, not where the file lies."""

    def check(self) -> NetworkConfig:
        """Return self.

        Raises:
            UserError: a setting is unknown or does not go with another; the message names its option.
        """
        if not self.backbone.startswith(TIMM) and self.backbone not in BACKBONES:
            hint = f"{did_you_mean(self.backbone, BACKBONES)} Those of the package timm: timm:NAME."
            raise UserError(f"--backbone {self.backbone!r} is unknown.", hint)
        for option, value, valid in (("--heads", self.heads, HEADS), ("--pixels", self.pixels, PIXELS)):
            if value not in valid:
                raise UserError(f"{option} {value!r} is unknown.", did_you_mean(value, valid))
        if self.stem and self.stem not in STEMS:
            raise UserError(f"--stem {self.stem!r} is unknown.", did_you_mean(self.stem, STEMS))
        if self.stem and not self.is_resnet and self.stem != self.own_stem:
            raise UserError(
                f"{self.backbone} has a stem of its own; --stem {self.stem} cannot be had.", "Leave --stem out."
            )
        if self.weights == "imagenet":
            self._check_imagenet()
        return self

    def _check_imagenet(self) -> None:
        if self.backbone not in IMAGENET_FILES and not self.backbone.startswith(TIMM):
            raise UserError(
                f"There are no ImageNet weights for {self.backbone!r}.", "Use --weights none, or --weights FILE."
            )
        if self.stem == "cifar":
            raise UserError("There are no ImageNet weights for --stem cifar.", "Use --weights none, or --weights FILE.")

    @property
    def is_resnet(self) -> bool:
        """Whether the backbone is one of torchvision's ResNets, which take either stem."""
        return self.backbone == "resnet10" or self.backbone in IMAGENET_FILES

    @property
    def is_own(self) -> bool:
        """Whether all of it is built by this project, so that it can be built without memory for its weights."""
        return not self.code and not self.backbone.startswith(TIMM)

    @property
    def own_stem(self) -> str:
        """The stem of the backbone as it was published."""
        return "cifar" if self.backbone in CIFAR_BACKBONES else "imagenet"

    def smallest_maps(self, size: tuple[int, int], stage: int = 4) -> tuple[int, int] | None:
        """(h, w) of the smallest maps that the encoder normalises by batch; None: it has none, or tells nobody here.

        Args:
            size: (H, W) of the images.
            stage: the last one that counts, 1 is the first; each map of HRNet is made of those of all branches.
        """
        if not self.is_own or self.backbone == "resnet26_gn":
            return None
        stem = self.stem or self.own_stem
        halvings = 2 if self.backbone in CIFAR_BACKBONES else 3 if stem == "cifar" else 5
        if self.backbone != "hrnet18":
            halvings = min(halvings, stage - 1 if stem == "cifar" else stage + 1)
        height, width = (-(-side // 2**halvings) for side in size)
        return height, width

    def pinned(self) -> NetworkConfig:
        """With the hash of the weights' file, where there is one; without it the path has to do."""
        path = Path(self.weights).expanduser()
        if self.weights in NAMED_WEIGHTS or not path.is_file():
            return self
        with path.open("rb") as file:
            return replace(self, content=sha256_of(file))

    def counted(self) -> dict[str, Any]:
        """What decides a network, as plain values; files by their content, once it is known."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if counts(f)}
        return {**found, "weights": f"sha256:{self.content[:16]}"} if self.content else found
