"""NC-TTT: a noise-contrastive approach for test-time training (Osowiechi et al., CVPR 2024)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, ImageForm, Method, Model, Needs, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.toolbox.taps import tapped_features

LABEL_FLOOR = 1e-6
STD_EPSILON = 1e-6


@dataclass(frozen=True)
class Contrast:
    """Loss (), labels and raw scores (2N, H, W), or (2N,) for the flat head."""

    loss: Tensor
    labels: Tensor
    scores: Tensor


USUAL_SIDE = 16
"""Of the map that the published flat head reads: c3 of an image of 32 pixels."""


@dataclass(frozen=True)
class NCTTT(Method):
    """A discriminator learns to tell much from little noise on projected features; at test time it must say little.

    Options:
        stage: whose map is used (1 = c2).
        embed: channels E of the projection; hidden: those of the discriminator.
        std1, std2: of the larger and the smaller noise; std1=0: hard labels, clean against std2.
        noise: drawn ``per_sample``, or ``official``: its sum over the batch added to every sample.
        head: ``dense`` (a score per location) or ``flat`` (a score per image of ``side`` x ``side`` maps;
            0: maps are averaged to 16 x 16).
        weight: of the auxiliary loss in joint source training.
        refresh: run the stages behind the map too, so that their running statistics move (official).
    """

    name = "nctt"
    card = Card(
        title="NC-TTT",
        paper="Osowiechi et al., NC-TTT: A Noise Contrastive Approach for Test-Time Training, CVPR 2024",
        venue="CVPR 2024",
        equation="mean softplus(d(projection(c2))): the score of noise must be low; no noise is drawn at test time",
        updates="stem up to the tapped stage; running statistics of the whole encoder and of the discriminator",
        hooks="c2 at its own resolution",
        defaults="E=1536, hidden 4, std 0.1 and 0.015 of the official configuration; 1e-5, 20-50 steps, reset before "
        "each batch",
        parity_cases=13,
        deviations=(
            "projection and first discriminator layer are both linear and are applied as one, same numbers",
            "the cross-entropy is taken of logits; the official one of probabilities, clamped when saturated",
            "maps need not be square (the official dense head assumes it)",
        ),
        oddities=(
            "the noise of a batch is summed and added to each of its samples, labels follow it: noise=official",
            "the test-time optimiser follows the training flag, plain SGD instead of Adam: optimizer=sgd",
            "the CIFAR head sees one vector per image of a fixed map size: head=flat, as for images, on c3",
        ),
    )
    native = OptimizerSpec("adam", lr=1e-5)
    image_form = ImageForm(options={"stage": 2, "head": "flat", "side": 0})
    branch = "joint"
    aux_mode = "train"
    needs = Needs(batch=2, unless={"head": "dense"})
    source_options = ("stage", "embed", "hidden", "std1", "std2", "noise", "head", "side", "weight")

    stage: Annotated[int, Range(1, 4)] = 1
    embed: Annotated[int, Range(1)] = 1536
    hidden: Annotated[int, Range(1)] = 4
    std1: Annotated[float, Range(0)] = 0.1
    std2: Annotated[float, Range(above=0)] = 0.015
    noise: Literal["per_sample", "official"] = "per_sample"
    head: Literal["dense", "flat"] = "dense"
    side: Annotated[int, Range(0)] = 16
    weight: Annotated[float, Range(0)] = 1.0
    refresh: bool = True

    def __post_init__(self) -> None:
        if self.std1 != 0 and self.std1 <= self.std2:
            raise UserError(
                f"nctt(std1={self.std1},std2={self.std2}): label 1 must mean more noise.",
                "Choose std1 > std2, or std1=0 for hard labels.",
            )

    def auxiliary(self, network: Network) -> nn.Module:
        """Projector and discriminator."""
        channels = network.channels[self.stage - 1]
        if self.head == "flat":
            return FlatHead(channels, self.embed, self.hidden, self.side)
        return DenseHead(channels, self.embed, self.hidden)

    # --- source time -----------------------------------------------------------------------------

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """``weight`` times the noise-contrastive loss with freshly drawn noise."""
        features = batch.features[self.stage - 1]
        shape = torch.Size((features.shape[0], self.embed, *head_of(model).size(features)))
        large = self.spread(self.std1 * standard_noise(shape, features.device, rng)) if self.std1 else None
        small = self.spread(self.std2 * standard_noise(shape, features.device, rng))
        return self.weight * self.contrast(model, features, large, small).loss

    def spread(self, noise: Tensor) -> Tensor:
        """Each sample's own noise (N, E, H, W), or the official sum over the batch for all of them."""
        return noise if self.noise == "per_sample" else noise.sum(0, keepdim=True).expand_as(noise)

    def contrast(self, model: Model, features: Tensor, large: Tensor | None, small: Tensor) -> Contrast:
        """Cross-entropy between the scores of both noisy halves and the posterior of the larger noise.

        Args:
            model: holds the head; its batch norm normalises both halves together.
            features: (N, C, H, W).
            large: noise of std1 on the projection, (N, E, H, W); None = hard labels: clean 0, noisy 1.
            small: noise of std2, likewise.
        """
        head = head_of(model)
        clean = head.entry(features)
        if large is None:
            hidden = torch.cat([clean, clean + head.entry_of_noise(small)])
        else:
            hidden = torch.cat([clean + head.entry_of_noise(large), clean + head.entry_of_noise(small)])
        scores = head.score(hidden)
        if large is None:
            zeros = torch.zeros_like(scores[: len(features)])
            labels = torch.cat([zeros, zeros + 1])
        else:
            labels = torch.cat([self.posterior(noise, head.vector) for noise in (large, small)])
        return Contrast(F.binary_cross_entropy_with_logits(scores, labels), labels, scores)

    def posterior(self, noise: Tensor, vector: tuple[int, ...]) -> Tensor:
        """P(noise is of std1 | noise), one per location or image; ``vector``: axes that form one vector."""
        length = math.prod(noise.shape[axis] for axis in vector)
        precision_gap = 1 / self.std2**2 - 1 / (self.std1 + STD_EPSILON) ** 2
        log_odds = 0.5 * precision_gap * noise.square().sum(vector)
        labels = torch.sigmoid(log_odds - length * math.log(self.std1 / self.std2))
        return labels.where(labels >= LABEL_FLOOR, 0.0)

    # --- test time -------------------------------------------------------------------------------

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Everything up to the tapped stage; the head is frozen."""
        modules = model.network.encoder.up_to(self.stage)
        return (parameter for module in modules for parameter in module.parameters())

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Mean softplus of the score."""
        features = tapped_features(model.network, images, self.stage, self.refresh)[-1]
        return self.denoising_loss(model, features)

    def denoising_loss(self, model: Model, features: Tensor) -> Tensor:
        """Cross-entropy of the scores of (N, C, H, W) to the label "little noise"."""
        head = head_of(model)
        return F.softplus(head.score(head.entry(features))).mean()


class DenseHead(nn.Module):
    """1x1 projection C -> E, then a discriminator of 1x1 convolutions E -> hidden -> 1."""

    vector: tuple[int, ...] = (1,)
    """Axes of the noise that form one vector."""

    def __init__(self, channels: int, embed: int, hidden: int) -> None:
        super().__init__()
        self.projector = nn.Conv2d(channels, embed, 1)
        nn.init.xavier_normal_(self.projector.weight)
        self.first: nn.Module = nn.Conv2d(embed, hidden, 1)
        self.rest = nn.Sequential(nn.BatchNorm2d(hidden), nn.LeakyReLU(0.2), nn.Conv2d(hidden, 1, 1))

    def entry(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, hidden, H, W), the E channels between the two linear maps never made."""
        first = self.first.get_parameter("weight").flatten(1)
        weight = first @ self.projector.weight.flatten(1)
        assert self.projector.bias is not None
        bias = first @ self.projector.bias + self.first.get_parameter("bias")
        return F.conv2d(features, weight[:, :, None, None], bias)

    def entry_of_noise(self, noise: Tensor) -> Tensor:
        """What noise (N, E, H, W) on the projection adds to ``entry``."""
        return F.conv2d(noise, self.first.get_parameter("weight"))

    def size(self, features: Tensor) -> tuple[int, ...]:
        """Height and width of the projected map of ``features`` (N, C, H, W), which is also that of its noise."""
        return tuple(features.shape[2:])

    def score(self, hidden: Tensor) -> Tensor:
        """(N, hidden, H, W) -> (N, H, W): high where there is much noise."""
        scores: Tensor = self.rest(hidden).squeeze(1)
        return scores


class FlatHead(DenseHead):
    """The CIFAR head: the whole projected map is one vector and gets one score."""

    vector = (1, 2, 3)

    def __init__(self, channels: int, embed: int, hidden: int, side: int) -> None:
        super().__init__(channels, embed, hidden)
        self.side, self.averages = side or USUAL_SIDE, side == 0
        side = self.side
        self.first = nn.Linear(embed * side * side, hidden)
        self.rest = nn.Sequential(nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 1, bias=False))

    def entry(self, features: Tensor) -> Tensor:
        """(N, C, side, side), or any map where it is averaged -> (N, hidden).

        Raises:
            UserError: the map is of another size, or a single image meets a batch norm over images.
        """
        features = F.adaptive_avg_pool2d(features, self.side) if self.averages else features
        if tuple(features.shape[2:]) != (self.side, self.side):
            height, width = features.shape[2:]
            raise UserError(
                f"nctt(head=flat,side={self.side}) met a map of {height} x {width}.",
                "Use head=dense, or square images and the side of the tapped map.",
            )
        if self.training and len(features) < 2:
            raise UserError("nctt(head=flat) needs batches of at least 2 images.", "Use head=dense.")
        hidden: Tensor = self.first(self.projector(features).flatten(1))
        return hidden

    def size(self, features: Tensor) -> tuple[int, ...]:
        """The side that maps are averaged to, or must have, twice."""
        return (self.side, self.side)

    def entry_of_noise(self, noise: Tensor) -> Tensor:
        """What noise (N, E, side, side) on the projection adds to ``entry``."""
        return F.linear(noise.flatten(1), self.first.get_parameter("weight"))


def head_of(model: Model) -> DenseHead:
    """The head of ``model``."""
    assert isinstance(model.aux, DenseHead)
    return model.aux


def standard_noise(shape: torch.Size, device: torch.device, rng: torch.Generator) -> Tensor:
    """Standard normal noise that depends on ``rng`` alone; drawn on ``device``, where it is large."""
    if device.type != "cpu":
        seed = int(torch.randint(2**62, (), generator=rng))
        rng = torch.Generator(device).manual_seed(seed)
    return torch.randn(shape, generator=rng, device=device)
