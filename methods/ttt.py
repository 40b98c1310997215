"""TTT: test-time training with rotation prediction (Sun et al., ICML 2020, arXiv:1909.13231)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, ImageForm, Method, Model, Needs, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.toolbox.views import padded_crops, square_crops


@dataclass(frozen=True)
class TTT(Method):
    """Which quarter turn was applied? Encoder and rotation head learn it on views of the test images.

    Options: ``head`` ``pooled`` (two linear layers on all levels) or ``stage`` (the original: a copy of the last
    stage on the one before); ``views`` per image; ``crop`` side of the square crop as a share of min(H, W);
    ``padding`` instead of it: crops of side min(H, W) out of the image in a black border so wide;
    ``source_rotations`` ``random`` (one per image) or ``expand`` (all four); ``update_head`` false keeps the head as
    trained (official fix_ssh); ``train_mode`` false keeps the running statistics (official fix_bn).
    """

    name = "ttt"
    card = Card(
        title="TTT",
        paper="Sun et al., Test-Time Training with Self-Supervision for Generalization, arXiv:1909.13231",
        venue="ICML 2020",
        equation="4-way cross-entropy of h(f(rot90(view, k))), k in 0..3 (eq. 3)",
        updates="encoder and rotation head",
        defaults="official: SGD 1e-3, no momentum, train-mode norms; 10 steps a batch (1 when online)",
        parity_cases=7,
        deviations=(
            "a batch of B different images gives 4 views of each (one where predictions are per image); the official "
            "code adapts on 32 views of one image",
            "maps: head on globally pooled c2..c5 (S4T's parameter count), square crops of 7/8 of the shorter side; "
            "images: the original's head=stage, padding=4",
            "the network has batch norm, the paper's main results use group norm; train_mode=false is fix_bn",
            "no confidence gate (the official threshold 1.001 always adapts)",
        ),
        oddities=("the official CIFAR driver parses fix_bn and then ignores it: train_mode=true, the default",),
    )
    bn = "track"
    needs = Needs(values=1)  # it forwards all four rotations of each image
    native = OptimizerSpec("sgd", lr=1e-3)
    image_form = ImageForm(options={"head": "stage", "views": 1, "padding": 4}, needs=Needs())
    branch = "joint"
    source_options = ("head", "crop", "padding", "source_rotations")

    head: Literal["pooled", "stage"] = "pooled"
    views: Annotated[int, Range(1)] = 4
    crop: Annotated[float, Range(above=0, high=1)] = 0.875
    padding: Annotated[int, Range(0)] = 0
    source_rotations: Literal["random", "expand"] = "random"
    update_head: bool = True
    train_mode: bool = True

    def auxiliary(self, network: Network) -> nn.Module:
        """The rotation head."""
        return PooledHead(network.channels) if self.head == "pooled" else StageHead(network)

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Rotation loss on one crop of each source image, in a forward of its own."""
        crops = self.crops(model, batch.images, 1, rng)
        if self.source_rotations == "expand":
            return self._loss(model, *all_rotations(crops))
        labels = self.draw_labels(len(crops), rng)
        return self._loss(model, rotate(crops, labels), labels)

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """The whole encoder; with the head unless ``update_head`` is off."""
        yield from model.network.encoder.parameters()
        if self.update_head:
            yield from model.aux.parameters()

    def adapting_modules(self, model: Model) -> Iterable[nn.Module]:
        """Everything in train mode, or nothing (``train_mode`` off)."""
        return (model.network, model.aux) if self.train_mode else ()

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Rotation loss on ``views`` crops of each image, each turned at random."""
        crops = self.crops(model, images, self.views, rng)
        labels = self.draw_labels(len(crops), rng)
        return self._loss(model, rotate(crops, labels), labels)

    def crops(self, model: Model, images: Tensor, count: int, rng: torch.Generator) -> Tensor:
        """(B, 3, H, W) -> (B * count, 3, s, s) random square crops, flipped half the time, not yet turned."""
        if self.padding:
            return padded_crops(images, count, self.padding, rng, model.network.config.given)
        return square_crops(images, count, self.crop, rng)

    def draw_labels(self, count: int, rng: torch.Generator) -> Tensor:
        """(count,) numbers of quarter turns, uniform in 0..3."""
        return torch.randint(4, (count,), generator=rng)

    def _loss(self, model: Model, views: Tensor, labels: Tensor) -> Tensor:
        stages = len(model.network.channels)
        levels = model.network.features(views, stages if self.head == "pooled" else stages - 1)
        return rotation_loss(model.aux(levels), labels.to(views.device))


def rotate(images: Tensor, labels: Tensor) -> Tensor:
    """Turn image i of (N, C, s, s) counter-clockwise by labels[i] quarter turns."""
    turned = images.clone()
    for k in (1, 2, 3):
        chosen = (labels == k).to(images.device)
        turned[chosen] = images[chosen].rot90(k, (2, 3))
    return turned


def all_rotations(images: Tensor) -> tuple[Tensor, Tensor]:
    """All four turns of (N, C, s, s): (4N, C, s, s), all of label 0 first, and the labels (4N,)."""
    labels = torch.arange(4).repeat_interleave(len(images))
    return rotate(images.repeat(4, 1, 1, 1), labels), labels


def rotation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean 4-way cross-entropy; (N, 4) and (N,)."""
    return F.cross_entropy(logits, labels)


class PooledHead(nn.Module):
    """Global average of every level, concatenated, then two linear layers (3.937 M for a ResNet-50).

    Pooling each level at its own resolution equals pooling the stride-4 concatenation: bilinear resizing by a
    whole factor keeps the mean. Exact when the view's side is a multiple of 32, close otherwise.
    """

    def __init__(self, channels: Sequence[int], hidden: int = 1024) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(sum(channels), hidden), nn.ReLU(), nn.Linear(hidden, 4))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels (N, C_l, h_l, w_l) -> logits (N, 4)."""
        logits: Tensor = self.layers(torch.cat([level.mean((2, 3)) for level in levels], dim=1))
        return logits


class StageHead(nn.Module):
    """The original's head: a copy of the network's last stage on the one before, pooled, one linear layer."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        if not network.encoder.sequential:
            raise UserError(
                "ttt(head=stage) needs stages that follow each other, which this backbone's do not.", "Use head=pooled."
            )
        self.stage = copy.deepcopy(network.encoder.stages()[-1]).requires_grad_(True)
        self.linear = nn.Linear(network.channels[-1], 4)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """The last but one level -> logits (N, 4)."""
        logits: Tensor = self.linear(self.stage(levels[-1]).mean((2, 3)))
        return logits
