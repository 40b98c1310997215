"""Encoders of the package timm, brought to four maps at strides 4, 8, 16 and 32."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.networks.fused import resize
from ttt_bench.networks.whole import PROBE, WholeEncoder

STRIDES = (4, 8, 16, 32)
FREE_SIZE: tuple[dict[str, Any], ...] = (
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)
"""What lets timm's plain vision transformers, its windowed ones and its convolutional networks take any image size."""
MULTIPLE = 32
"""What sides must divide by: networks cut images into patches, or add maps that they enlarged by two. Others are
padded by their last pixels."""


class TimmEncoder(WholeEncoder):
    """Any network of timm that hands out intermediate features.

    Of a pyramid, the last map of each stride is taken; missing strides and the single stride of a plain vision
    transformer (maps of four equally spaced depths) are made by bilinear resizing.
    """

    def __init__(self, name: str, pretrained: bool) -> None:
        """``name`` as timm knows it; ``pretrained``: timm's own weights, from its cache or its download site.

        Raises:
            UserError: timm is not installed, does not know the name, or the weights cannot be had.
        """
        super().__init__()
        self.net = _create(name, pretrained)
        info = self.net.feature_info
        reductions = [round(float(each)) for each in info.reduction()]
        self._picked = _picked(reductions)
        widths = list(info.channels())
        self.channels = tuple(widths[index] for index in self._picked)
        self._last = self._channels_last(widths)

    @property
    def foreign(self) -> Mapping[str, str]:  # type: ignore[override]
        """timm flattens ``stages.0`` to ``stages_0`` where it cuts a network into features."""
        inner = "net.model." if "model" in dict(self.net.named_children()) else "net."
        module = self.net.model if inner == "net.model." else self.net
        return {re.sub(r"_(\d+)$", r".\1", child) + ".": f"{inner}{child}." for child, _ in module.named_children()} | (
            {name: f"{inner}{name}" for name, _ in module.named_parameters(recurse=False)}
        )

    def maps(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> four maps."""
        height, width = images.shape[-2:]
        if height % MULTIPLE or width % MULTIPLE:
            images = F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
        found = self.net(images)
        levels = []
        for index, stride in zip(self._picked, STRIDES, strict=True):
            level = found[index].permute(0, 3, 1, 2) if self._last else found[index]
            padded = (-(-images.shape[-2] // stride), -(-images.shape[-1] // stride))
            level = resize(level, padded)
            levels.append(level[..., : -(-height // stride), : -(-width // stride)])
        return levels

    def _channels_last(self, widths: list[int]) -> bool:
        """Whether the network hands its maps out as (B, h, w, C)."""
        with torch.no_grad():
            found = self.net.eval()(torch.zeros(1, 3, *PROBE))
        self.net.train()
        return bool(found[-1].shape[1] != widths[-1])


def _create(name: str, pretrained: bool) -> Any:
    """The network, which takes images of any size whose sides divide by ``MULTIPLE``."""
    try:
        import timm
    except ImportError as error:
        raise UserError(f"--backbone timm:{name} needs the package timm.", "Install ttt-bench[timm].") from error
    if not timm.is_model(name):
        raise UserError(f"--backbone timm:{name}: timm does not know it.", did_you_mean(name, timm.list_models())[:200])
    for options in FREE_SIZE:
        try:
            return _features(timm, name, pretrained, options)
        except TypeError:
            continue  # this kind of network does not take the option
    raise UserError(f"--backbone timm:{name} hands out no intermediate features.", "Choose another backbone.")


def _features(timm: Any, name: str, pretrained: bool, options: Mapping[str, Any]) -> Any:
    try:
        net = timm.create_model(name, pretrained=pretrained, features_only=True, **options)
        reductions = net.feature_info.reduction()
        if len(set(reductions)) == 1:
            depth = len(net.model.blocks) if hasattr(net, "model") else len(reductions)
            depth = max(depth, len(timm.create_model(name).blocks))
            indices = [depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]
            net = timm.create_model(name, pretrained=pretrained, features_only=True, out_indices=indices, **options)
    except (OSError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "Use --weights none or --weights FILE." if pretrained else "Choose another backbone."
        raise UserError(f"--backbone timm:{name} could not be made: {first}", hint) from error
    return net


def _picked(reductions: list[int]) -> list[int]:
    """For each of ``STRIDES`` the map to take: the last one of that stride, else the nearest in stride."""
    if len(set(reductions)) == 1:
        return list(range(len(reductions)))[-len(STRIDES) :]
    return [
        max(range(len(reductions)), key=lambda index: (-abs(reductions[index] - stride), index)) for stride in STRIDES
    ]
