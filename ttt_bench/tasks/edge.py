"""Edges: is there one at this pixel? What counts as one is the domain's to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttt_bench.tasks.contract import IGNORE, Array, Key, Label, Metric, Picture, Task
from ttt_bench.tasks.statistics import ALIGNED, divide, over_batches, rmse, rmse_aligned

if TYPE_CHECKING:
    import torch
    from torch import Tensor

POSITIVE_WEIGHT = 0.95
"""Weight of an edge pixel in the loss; the others have its complement."""
BINS = 64
"""Bins of the edge probability in ``edge/histogram``, equally wide over [0, 1]."""
MOMENTS, HISTOGRAM = "edge/moments", "edge/histogram"
"""(6,) ``statistics.MOMENTS`` of the probability; (2, bins) counts of non-edge and edge pixels."""


def average_precision(histogram: Array) -> Array:
    """Area under the precision-recall curve of the edge probability, without pixel tolerance.

    Args:
        histogram: (batches, steps, 2, bins): counts of non-edge and edge pixels per probability bin.
            Pixels of one bin are taken together, so the resolution is one bin.
    """
    total = over_batches(histogram)[..., ::-1]  # from confident edge to confident non-edge
    false, true = np.cumsum(total[:, 0], -1), np.cumsum(total[:, 1], -1)
    precision = true / np.maximum(true + false, 1.0)
    positives = true[:, -1]
    recall_gain = np.diff(true, axis=-1, prepend=0.0)
    # Contiguous: the sum is then the same to the bit however the counts lie in memory.
    return divide(np.ascontiguousarray(precision * recall_gain).sum(-1), positives)


class Edge(Task):
    """The logit of an edge (B, 1, H, W) against 0 and 1; 255 = no label."""

    name = "edge"
    title = "Edges"
    rank = 4
    weight = 50.0
    channels = 1
    output = "probability"
    label = Label("|u1", 1)
    metrics = (
        Metric("edge/rmse", "RMSE", "", False, MOMENTS, rmse, 1.0, 4),
        Metric(
            "edge/rmse_aligned",
            "RMSE, aligned",
            "",
            False,
            MOMENTS,
            rmse_aligned,
            1.0,
            4,
            additive=False,
            accident=ALIGNED,
        ),
        Metric("edge/ap", "AP", "%", True, HISTOGRAM, average_precision, 100.0, 2),
    )

    def loss(self, prediction: Tensor, label: Tensor, positive_weight: float | None = POSITIVE_WEIGHT) -> Tensor:
        """Balanced binary cross-entropy, mean over valid pixels.

        ``positive_weight`` weighs edge pixels, its complement the others; None = the batch's share of non-edges.
        """
        import torch
        from torch.nn.functional import logsigmoid

        valid = label != IGNORE
        count = valid.sum()
        if positive_weight is None:
            positives = (valid & (label > 0.5)).sum()
            weight = 1.0 - positives / count.clamp(min=1)
            weight = torch.where(positives > 0, weight, 0.0)
        else:
            weight = prediction.new_tensor(positive_weight)
        target = torch.where(valid, label, 0.0)
        edge = -weight * target * logsigmoid(prediction)
        rest = -(1 - weight) * (1 - target) * logsigmoid(-prediction)
        if positive_weight is None:
            # Without a single edge pixel the release returns 0.
            rest = torch.where(weight > 0, rest, 0.0)
        return torch.where(valid, edge + rest, 0.0).sum() / count.clamp(min=1)

    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """As for a scalar, and where each pixel's row of the histogram begins: no edge, edge, ignored."""
        import torch

        from ttt_bench.tasks.measure import scalar_truth

        valid, truth = scalar_truth(label)
        return valid, truth, torch.where(valid, BINS * (label > 0.5), 2 * BINS)

    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """``edge/moments`` and ``edge/histogram`` of the edge probability."""
        import torch

        from ttt_bench.tasks.measure import moments_of

        valid, truth, rows = ready
        probability = torch.sigmoid(prediction.double())
        # A probability that is not a number counts as the lowest bin.
        bins = (probability * BINS).nan_to_num_(0.0).long().clamp_(0, BINS - 1)
        counts = torch.bincount((rows + bins).flatten(), minlength=3 * BINS)
        return {
            MOMENTS: moments_of(probability, valid, truth),
            HISTOGRAM: counts[: 2 * BINS].view(2, BINS).double(),
        }

    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """A tenth of all pixels are edges; a tenth is unknown."""
        import torch

        edges = (torch.rand((count, 1, *size), generator=rng) < 0.1).float()
        return edges.masked_fill(torch.rand((count, 1, *size), generator=rng) < 0.1, float(IGNORE))

    def picture(self, values: Array, scale: tuple[float, float]) -> Picture:
        """Dark edges on white: they survive printing."""
        return np.repeat((255.0 * (1.0 - np.clip(values[0], 0.0, 1.0)))[..., None], 3, axis=-1).astype(np.uint8)

    def key(self, scale: tuple[float, float]) -> Key:
        """What dark means."""
        return Key("dark: edge")
