"""TTT++: contrastive learning and moment alignment at test time (Liu et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Card, Method, Model, OptimizerSpec, Range, SourceBatch, StatisticsBank
from ttt_bench.networks.contract import Network
from ttt_bench.toolbox.views import simclr_view

BASE_TEMPERATURE = 0.07
"""The published contrastive loss carries the factor temperature / 0.07."""
MEAN_FACTOR = 0.5
"""Weight of the mean's distance beside the covariance's."""
LEVELS = ("ext", "ssh")
"""Aligned features: pooled c5, and the head's output before normalisation."""


@dataclass(frozen=True)
class TTTpp(Method):
    """Contrastive loss on two views, and source mean and covariance matched on two feature levels.

    Options: ``parts`` ``both``, ``ssl`` or ``align``; ``queue`` samples that the moments are taken over (earlier
    batches supplement the one at hand; alignment starts when they are enough; 0 = the batch alone; never more
    than half of the source images, so that the noise of such a queue can be measured on the source);
    ``scale_ext`` and ``scale_ssh`` the covariance term's value at source-level noise; ``view_size`` at most;
    ``update_head`` (official: fixed); ``warmup`` updates that only move statistics (official bnepoch), then
    ``delay`` contrastive ones before alignment. Official accidents: ``queue_aliasing`` counts the current batch
    twice and loses the oldest; ``align_early`` aligns single batches until the queue is full.
    """

    name = "tttpp"
    card = Card(
        title="TTT++",
        paper="Liu et al., TTT++: When Does Self-Supervised Test-Time Training Fail or Thrive?, NeurIPS 2021",
        venue="NeurIPS 2021",
        equation="NT-Xent + sum over 2 levels of s |C_s - C_t|^2 / noise + s/2 |m_s - m_t|^2 / noise",
        updates="encoder",
        defaults="official CIFAR-10 script: SGD 1e-2, momentum 0.9, scales 0.05 and 0.2, temperature 0.5",
        parity_cases=13,
        deviations=(
            "steps on the batch at hand instead of epochs over the test set; warmup and delay mirror bnepoch",
            "queue 256 (official 1536 with batch 256): every update pushes its batch, also a repeated one",
            "no label-driven learning rate or stopping (the official ones read the test error)",
            "source: task losses once on the usual views, plus 0.1/0.9 times the contrastive loss",
            "source moments over the images as they are served, not over augmented ones",
        ),
        oddities=(
            "the queue is overwritten before use, so the current batch counts twice: queue_aliasing=true",
            "until the queue is full, single batches are aligned by full-queue divisors: align_early=true",
        ),
    )
    bn = "track"
    native = OptimizerSpec("sgd", lr=1e-2, momentum=0.9)
    branch = "joint"
    statistics = True
    source_options = ("queue", "temperature", "view_size", "source_weight")

    parts: Literal["both", "ssl", "align"] = "both"
    queue: Annotated[int, Range(0)] = 256
    temperature: Annotated[float, Range(above=0)] = 0.5
    scale_ext: Annotated[float, Range(0)] = 0.05
    scale_ssh: Annotated[float, Range(0)] = 0.2
    view_size: Annotated[int, Range(1)] = 224
    source_weight: Annotated[float, Range(0)] = 0.1111111111111111
    update_head: bool = False
    warmup: Annotated[int, Range(0)] = 0
    delay: Annotated[int, Range(0)] = 0
    queue_aliasing: bool = False
    align_early: bool = False

    # --- source time ---------------------------------------------------------------------------

    def auxiliary(self, network: Network) -> nn.Module:
        """Contrastive head and room for the source moments."""
        return Branch(network.channels[-1])

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Weighted contrastive loss, in a forward of its own."""
        return self.source_weight * self.contrast(model, batch.images, rng)

    def source_statistics(self, model: Model, batches: Iterable[Tensor], rng: torch.Generator) -> None:
        """Source moments of both levels, and the distances between groups of source samples (their noise)."""
        branch = _branch(model)
        served = [branch.levels(model.network.features(images)[-1]) for images in batches]
        total = sum(len(pooled) for pooled, _ in served)
        if total < 4:
            raise UserError(f"tttpp got {total} source images for its moments and needs 4.", "Train on more.")
        size = min(self.queue or len(served[0][0]), total // 2)
        for level, features in zip(LEVELS, zip(*served, strict=True), strict=True):
            moments = source_moments(torch.cat(features), size)
            branch.bank.store(**{f"{level}_{name}": value for name, value in moments.items()})

    # --- test time -----------------------------------------------------------------------------

    def prepare(self, model: Model) -> None:
        """Add the queues and the count of updates, which start empty."""
        branch = _branch(model)
        device = next(model.network.parameters()).device
        branch.register_buffer("updates", torch.zeros((), dtype=torch.long, device=device))
        for level in LEVELS if self.parts != "ssl" else ():
            if f"{level}_mean" not in branch.bank:
                raise UserError("tttpp has no source statistics to align to.", "Fit its branch on the source.")
            capacity = int(branch.bank[f"{level}_group"]) if self.queue else 0
            queue = FeatureQueue(capacity, len(branch.bank[f"{level}_mean"]))
            branch.add_module(f"queue_{level}", queue.to(device))

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """The encoder; with the head if ``update_head``."""
        yield from model.network.encoder.parameters()
        if self.update_head:
            yield from _branch(model).head.parameters()

    def adapting_modules(self, model: Model) -> Iterable[nn.Module]:
        """The network in train mode; the head too if it learns."""
        return (model.network, _branch(model).head) if self.update_head else (model.network,)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor | None:
        """Contrastive plus alignment loss; None during warm-up, and for alignment alone on a short queue."""
        updates = _branch(model).get_buffer("updates")
        updates += 1
        losses = []
        if self.parts != "align":
            losses.append(self.contrast(model, images, rng))
        if self.parts != "ssl" and int(updates) > self.warmup + self.delay:
            losses += self.align(model, images)
        return torch.stack(losses).sum() if losses and int(updates) > self.warmup else None

    def contrast(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """NT-Xent on two views of each image, both in one forward."""
        views = torch.cat(self.two_views(images, rng, model.network.config.given))
        _, projected = _branch(model).levels(model.network.features(views)[-1])
        pairs = torch.stack(F.normalize(projected, dim=1).chunk(2), dim=1)
        return nt_xent(pairs, self.temperature)

    def two_views(self, images: Tensor, rng: torch.Generator, scaling: str = "imagenet") -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> two SimCLR views, each (B, 3, s, s), s = min(view_size, H, W)."""
        size = min(self.view_size, *images.shape[-2:])
        return simclr_view(images, size, rng, scaling), simclr_view(images, size, rng, scaling)

    def align(self, model: Model, images: Tensor) -> list[Tensor]:
        """The alignment losses of the levels that have enough samples, a forward for each as published."""
        branch = _branch(model)
        losses = []
        for index, (level, scale) in enumerate(zip(LEVELS, (self.scale_ext, self.scale_ssh), strict=True)):
            queue: FeatureQueue = getattr(branch, f"queue_{level}")
            aligning = self.align_early or queue.completes(len(images))
            with torch.set_grad_enabled(aligning):
                features = branch.levels(model.network.features(images)[-1])[index]
            # In bf16 the queue and the moments over it keep 32 bits.
            samples = queue.join(features.type_as(queue.rows), self.queue_aliasing)
            if aligning:
                losses.append(alignment(branch.bank, level, samples, scale))
        return losses


# --- losses ------------------------------------------------------------------------------------


def nt_xent(features: Tensor, temperature: float) -> Tensor:
    """(temperature / 0.07) times NT-Xent of (B, 2 views, d); the features are taken as they are.

    Mean over all 2B anchors i of -z_i.z_p(i)/t + log sum_{k != i} exp(z_i.z_k/t), p(i) the other view.
    """
    count = len(features)
    stacked = torch.cat(features.unbind(1))
    similarity = stacked @ stacked.T / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=features.device)
    other = torch.arange(2 * count, device=features.device).roll(count)
    # With one image the only other sample is the positive one, and the loss is 0.
    loss = F.cross_entropy(similarity.masked_fill(itself, float("-inf")), other)
    return temperature / BASE_TEMPERATURE * loss


def covariance(features: Tensor) -> Tensor:
    """Unbiased covariance (d, d) of (n, d); zero for a single sample."""
    centred = features - features.mean(0)
    return centred.T @ centred / max(len(features) - 1, 1)


def coral(first: Tensor, second: Tensor) -> Tensor:
    """sum (A - B)^2 / (4 d^2) of two covariances (d, d)."""
    return (first - second).square().sum() / (4 * len(first) ** 2)


def linear_mmd(first: Tensor, second: Tensor) -> Tensor:
    """Mean over dimensions of the squared difference of two means (d,)."""
    return (first - second).square().mean()


def source_moments(features: Tensor, size: int) -> dict[str, Tensor]:
    """What target features are aligned to: moments of (n, d), and their noise between groups of ``size`` rows.

    The first group is only the anchor that the others' distances are taken from; it enters no moment. An
    incomplete last group is dropped. Computed in double precision.
    """
    anchor, *groups = features.double()[: len(features) // size * size].split(size)
    spread, centre = covariance(anchor), anchor.mean(0)
    rest = torch.cat(groups)
    moments = {
        "mean": rest.mean(0),
        "covariance": covariance(rest),
        "coral_mean": torch.stack([coral(spread, covariance(group)) for group in groups]).mean(),
        "mmd_mean": torch.stack([linear_mmd(centre, group.mean(0)) for group in groups]).mean(),
    }
    return {name: value.float() for name, value in moments.items()} | {
        "group": torch.tensor(size, device=features.device)
    }


def alignment(bank: StatisticsBank, level: str, samples: Tensor, scale: float) -> Tensor:
    """Both distances of ``samples`` (n, d) to the source moments, each in units of source-level noise."""
    spread = coral(bank[f"{level}_covariance"], covariance(samples)) / bank[f"{level}_coral_mean"]
    centre = linear_mmd(bank[f"{level}_mean"], samples.mean(0)) / bank[f"{level}_mmd_mean"]
    return scale * (spread + MEAN_FACTOR * centre)


# --- state -------------------------------------------------------------------------------------


class Branch(nn.Module):
    """The contrastive head (a ResNet-50's: 4.459 M) and the source moments."""

    def __init__(self, channels: int, outputs: int = 128) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, outputs))
        self.bank = StatisticsBank()

    def levels(self, last_map: Tensor) -> tuple[Tensor, Tensor]:
        """c5 (B, C, h, w) -> its global average (B, C) and the head's output (B, outputs)."""
        pooled = last_map.mean((2, 3))
        return pooled, self.head(pooled)


class FeatureQueue(nn.Module):
    """The features of earlier batches, oldest overwritten first; batch and queue make ``capacity`` together."""

    rows: Tensor
    length: Tensor
    pushed: Tensor

    def __init__(self, capacity: int, width: int) -> None:
        super().__init__()
        self.capacity = capacity
        self.register_buffer("rows", torch.zeros(capacity, width))
        self.register_buffer("length", torch.tensor(-1))
        self.register_buffer("pushed", torch.tensor(0))

    def completes(self, count: int) -> bool:
        """Whether the queue is full; the first batch, of ``count``, decides that it keeps ``capacity - count``."""
        if int(self.length) < 0:
            self.length.fill_(max(self.capacity - count, 0))
        return int(self.pushed) >= int(self.length)

    def join(self, features: Tensor, aliasing: bool = False) -> Tensor:
        """Supplement ``features`` (n, d) by the queue if that is full, and push them.

        Args:
            features: with gradient; the queue keeps a detached copy.
            aliasing: push before joining (the official accident).

        Returns:
            ``features`` first, then the queue's rows if it was full: about ``capacity`` in all.
        """
        full, length = self.completes(len(features)), int(self.length)
        if aliasing:
            self._push(features, length)
        samples = torch.cat([features, self.rows[:length].clone()]) if full else features
        if not aliasing:
            self._push(features, length)
        return samples

    def _push(self, features: Tensor, length: int) -> None:
        if length == 0:
            return
        kept = features.detach()[-length:]
        places = (int(self.pushed) + torch.arange(len(kept), device=kept.device)) % length
        self.rows[places] = kept
        self.pushed += len(kept)


def _branch(model: Model) -> Branch:
    assert isinstance(model.aux, Branch)
    return model.aux
