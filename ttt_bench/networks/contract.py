"""What methods, training and measurements may rely on in any network, whoever wrote it.

A network is an encoder, whose stages hand out maps of falling resolution, and a prediction of every task from these
maps. One file with one ``Network`` is a new architecture; the rest of the project asks for nothing that is not here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.pixels import rescaling

Predictions = dict[str, Tensor]
"""Raw outputs by task: (B, C_t, H, W), or (B, C_t) for a task that has one answer per image."""


class Encoder(nn.Module):
    """A trunk of stages. The defaults fit any encoder whose stages run one after the other."""

    channels: tuple[int, ...]
    """Channels of each stage's map, the finest first."""
    stride: int = 4
    """Image pixels per side of a pixel of the first map; the other maps halve it further, or not."""
    sequential: ClassVar[bool] = True
    """Whether a stage can be run by itself on the map of the one before."""
    foreign: ClassVar[Mapping[str, str]] = {}
    """Beginnings of names in published state dicts -> beginnings of ours, where the two differ."""

    def stem(self) -> tuple[nn.Module, ...]:
        """What runs before the first stage, in forward order."""
        raise NotImplementedError(f"{type(self).__name__} defines no stem")

    def stages(self) -> tuple[nn.Module, ...]:
        """The stages, whose outputs are the maps."""
        raise NotImplementedError(f"{type(self).__name__} defines no stages")

    def up_to(self, stage: int) -> tuple[nn.Module, ...]:
        """The modules that the map of ``stage`` (1 = the first) depends on, in forward order."""
        return (*self.stem(), *self.stages()[:stage])

    def begin(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> what the first stage reads."""
        x = images
        for module in self.stem():
            x = module(x)
        return x

    def forward(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> the maps (B, C_l, h_l, w_l) of the stages up to ``last``, or of all there are."""
        x = self.begin(images)
        levels = []
        for stage in self.stages()[:last]:
            x = stage(x)
            levels.append(x)
        return levels

    def finish(self, levels: Sequence[Tensor]) -> None:
        """Run what comes after ``levels``, so that running statistics move as in a whole forward."""
        behind = levels[-1]
        for stage in self.stages()[len(levels) :]:
            behind = stage(behind)


class Network(nn.Module):
    """Base class of all architectures: an encoder, and a prediction of every task from its maps.

    A subclass calls ``super().__init__``, sets ``encoder``, puts everything that turns maps into predictions and must
    stay as trained into ``heads``, and defines ``predict``.
    """

    encoder: Encoder
    heads: nn.Module
    rescaling: nn.Module | None
    """From the normalisation that images come with to the one that the weights expect."""

    def __init__(self, config: NetworkConfig, outputs: Mapping[str, int], per_image: Collection[str] = ()) -> None:
        """Keep what was asked for.

        Args:
            config: the settings.
            outputs: output channels by task; the order of tasks is the order of this mapping.
            per_image: the tasks that have one answer per image instead of one per pixel.
        """
        super().__init__()
        self.config = config
        self.outputs = dict(outputs)
        self.per_image = tuple(task for task in outputs if task in per_image)
        self.rescaling = rescaling(config)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, in output order."""
        return tuple(self.outputs)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the maps, the finest first."""
        return self.encoder.channels

    def features(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> the encoder's maps up to stage ``last``: [c2, c3, c4, c5] of a ResNet."""
        return self.encode(self.encoder, images, last)

    def encode(self, encoder: Encoder, images: Tensor, last: int = 4) -> list[Tensor]:
        """``features``, by an encoder of the same kind that is not the network's own."""
        if self.rescaling is not None:
            images = self.rescaling(images)
        levels: list[Tensor] = encoder(images.contiguous(memory_format=torch.channels_last), last)
        return levels

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """All maps of images of ``size`` (H, W) -> raw predictions of every task."""
        raise NotImplementedError(f"{type(self).__name__} defines no predict")

    def supervised(self, features: Sequence[Tensor], size: tuple[int, int]) -> list[Predictions]:
        """Everything that is compared with the labels at source time; the first is what ``predict`` answers.

        Deep supervision adds its further outputs here. One call makes both, since what runs twice in train mode moves
        its running statistics twice.
        """
        return [self.predict(features, size)]

    def forward(self, images: Tensor) -> Predictions:
        """(B, 3, H, W) -> raw predictions of every task at image size."""
        return self.predict(self.features(images), (images.shape[-2], images.shape[-1]))


NORMS_WITHOUT_STATISTICS = (nn.GroupNorm, nn.LayerNorm)
"""Kinds that normalise each image by itself; timm's own variants derive from them."""


def norm_layers(module: nn.Module) -> Iterable[nn.Module]:
    """Every batch norm, in module order; where there is none, every group and layer norm."""
    batch = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return batch or [m for m in module.modules() if isinstance(m, NORMS_WITHOUT_STATISTICS)]
