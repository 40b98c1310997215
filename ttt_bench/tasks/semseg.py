"""Semantic segmentation: one class per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ttt_bench.errors import UserError
from ttt_bench.tasks.contract import IGNORE, Array, Label, Metric, Picture, Task
from ttt_bench.tasks.paint import palette
from ttt_bench.tasks.statistics import divide, fallen_onto_one_class, over_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CONFUSION = "semseg/confusion"
"""(C, C) counts of pixels; rows are the truth."""


def mean_iou(confusion: Array) -> Array:
    """Mean IoU over all classes; a class absent from prediction and truth counts 0 (S4T's convention).

    Args:
        confusion: (batches, steps, classes, classes), rows are the truth.
    """
    total = over_batches(confusion)
    hit = np.einsum("scc->sc", total)
    truth = total.sum(2)
    union = total.sum(1) + truth - hit
    # Contiguous: the mean is then the same to the bit however the counts lie in memory.
    iou = np.ascontiguousarray(hit / np.maximum(union, 1e-8)).mean(-1)
    return np.where(truth.sum(1) > 0, iou, np.nan)


def absent_classes(confusion: Array) -> int:
    """How many classes never occur in the truth of the set (each pulls ``mean_iou`` down)."""
    return int((confusion[:, 0].sum((0, 2)) == 0).sum())


def pixel_accuracy(confusion: Array) -> Array:
    """Share of valid pixels whose class is right."""
    total = over_batches(confusion)
    return divide(np.einsum("scc->s", total), total.sum((1, 2)))


class Semseg(Task):
    """Class logits (B, C, H, W) against ids (B, H, W); 255 = no label."""

    name = "semseg"
    title = "Segmentation"
    rank = 1
    channels = 0
    output = "classes"
    label = Label("|u1", None)
    metrics = (
        Metric("semseg/miou", "mIoU", "%", True, CONFUSION, mean_iou, 100.0, 2, says_task=True),
        Metric("semseg/pixel_accuracy", "Pixel acc.", "%", True, CONFUSION, pixel_accuracy, 100.0, 2, says_task=True),
    )

    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Softmax cross-entropy: sum over valid pixels / max(number of valid pixels, 1)."""
        from torch.nn.functional import cross_entropy

        total = cross_entropy(prediction, label.long(), ignore_index=IGNORE, reduction="sum")
        return total / (label != IGNORE).sum().clamp(min=1)

    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """Where each pixel's row of the confusion matrix begins; ignored pixels have a row of their own at the end."""
        import torch

        ignored = label == IGNORE
        if bool(((label >= channels) & ~ignored).any()) or bool((label < 0).any()):
            raise UserError(f"A semseg label is neither one of {channels} classes nor {IGNORE}.")
        return (torch.where(ignored, channels, label.long()) * channels,)

    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """``semseg/confusion`` (C, C), rows are the truth."""
        import torch

        count = prediction.shape[1]
        # ``max`` is ten times as fast as ``argmax`` here and names the first of equal classes too.
        index = ready[0] + prediction.max(dim=1).indices
        counts = torch.bincount(index.flatten(), minlength=(count + 1) * count)
        return {CONFUSION: counts[: count**2].view(count, count).double()}

    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """Every pixel of a class of its own; a tenth has none."""
        import torch

        ids = torch.randint(0, classes, (count, *size), generator=rng)
        return ids.masked_fill(torch.rand((count, *size), generator=rng) < 0.1, IGNORE)

    def picture(self, values: Array, scale: tuple[float, float]) -> Picture:
        """A colour per class; which is which stands in the figure's legend."""
        ids = values[0].astype(np.int64)
        colours: Picture = palette(max(int(ids.max(initial=0)) + 1, 1))[ids]
        return colours

    def collapsed(self, statistics: Mapping[str, Array]) -> tuple[int, str] | None:
        """Onto one class: the sign of entropy driven to zero."""
        if CONFUSION not in statistics:
            return None
        fallen = fallen_onto_one_class(statistics[CONFUSION].sum(axis=(0, 2)))
        return fallen and (fallen[0], f"{100 * fallen[1]:.1f} % of all pixels are predicted as one class")

    def notes(self, statistics: Mapping[str, Array]) -> tuple[str, ...]:
        """Classes that pull the mean down because the target has none of them."""
        absent = absent_classes(statistics[CONFUSION]) if CONFUSION in statistics else 0
        return (f"{absent} classes never occur in the target's truth; each counts 0 in mIoU.",) if absent else ()
