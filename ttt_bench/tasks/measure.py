"""From a prediction and its label to sufficient statistics; the other half of ``tasks.scores``.

Everything stays on the prediction's device, in float64 sums over the whole batch, without host round trips
other than those of ``bincount``: this runs once per evaluated step and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks.task import IGNORE
from ttt_bench.tasks.vectors import length, unit

EDGE_BINS = 64
"""Bins of the edge probability in ``edge/histogram``, equally wide over [0, 1]."""

ANGLE_THRESHOLDS = (11.25, 22.5, 30.0)
"""Degrees, in the order of ``scores.ANGLES``."""

Statistics = dict[str, Tensor]


@torch.no_grad()
def measure(task: str, prediction: Tensor, label: Tensor) -> Statistics:
    """Sufficient statistics of one batch for every metric of ``task``.

    Args:
        task: a key of ``TASKS``.
        prediction: (B, C, H, W) raw output: class logits, metres, un-normalised normals, edge logit.
        label: (B, H, W) class ids for semseg, else (B, C, H, W); 255 = invalid.

    Returns:
        By statistic name, float64, pooled over the batch (layouts: ``scores.MOMENTS``, ``scores.ANGLES``):
        ``semseg/confusion`` (C, C), rows are the truth; ``depth/moments`` (6,) of metres clamped at 0;
        ``edge/moments`` (6,) of the edge probability; ``normal/angles`` (5,); ``edge/histogram`` (2, 64),
        counts of non-edge and edge pixels per bin of the probability.

    Raises:
        UserError: the task is unknown, shapes do not match, or a class id is neither a class nor 255.
    """
    if task not in MEASURES:
        raise UserError(f"Unknown task {task!r}.", did_you_mean(task, MEASURES))
    expected = prediction.shape if task != "semseg" else (prediction.shape[0], *prediction.shape[2:])
    if tuple(label.shape) != tuple(expected):
        raise UserError(
            f"The {task} label has shape {tuple(label.shape)}, the prediction {tuple(prediction.shape)}.",
            f"Expected a label of shape {tuple(expected)}.",
        )
    return MEASURES[task](prediction, label)


def measure_all(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Statistics:
    """``measure`` for every predicted task, in one dictionary."""
    statistics: Statistics = {}
    for task, prediction in predictions.items():
        statistics |= measure(task, prediction, labels[task])
    return statistics


def confusion(classes: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Counts by (true class, predicted class) over valid pixels, (C, C) float64.

    Args:
        classes: predicted class ids, any shape.
        label: true class ids of that shape, 255 = ignore.
        num_classes: C.

    Raises:
        UserError: a label is neither below C nor 255.
    """
    # One row per value a byte can take: ignored pixels land in row 255, strays in between.
    index = label.long() * num_classes + classes
    counts = torch.bincount(index.flatten(), minlength=(IGNORE + 1) * num_classes)
    known, strays = counts[: num_classes**2], counts[num_classes**2 : IGNORE * num_classes]
    if len(counts) != (IGNORE + 1) * num_classes or bool(strays.any()):
        raise UserError(f"A semseg label is neither one of {num_classes} classes nor {IGNORE}.")
    return known.view(num_classes, num_classes).double()


def moments(prediction: Tensor, label: Tensor) -> Tensor:
    """``scores.MOMENTS`` of two equally shaped tensors where the label is not 255, (6,) float64."""
    valid = label != IGNORE
    p = torch.where(valid, prediction, 0.0).double().flatten()
    g = torch.where(valid, label, 0.0).double().flatten()
    return torch.stack((valid.sum().double(), p.sum(), g.sum(), p.dot(p), p.dot(g), g.dot(g)))


def angles(prediction: Tensor, label: Tensor) -> Tensor:
    """``scores.ANGLES`` between two vector fields (B, 3, H, W), neither of them necessarily of unit length.

    The angle is 2 atan2(|p - g|, |p + g|) of the normalised vectors, which is exact near 0 and 180 degrees
    where the arc cosine is not. A zero vector stays zero: 0 degrees to another one, 90 to anything else.
    A pixel is valid when none of its three label entries is 255.
    """
    valid = (label != IGNORE).all(dim=1)
    p, g = unit(prediction.float()), unit(label.float())
    angle = torch.rad2deg(2 * torch.atan2(length(p - g), length(p + g)))
    angle = torch.where(valid, angle, 0.0)
    within = [(valid & (angle <= limit)).sum().double() for limit in ANGLE_THRESHOLDS]
    return torch.stack((valid.sum().double(), angle.sum(dtype=torch.float64), *within))


def edge_histogram(probability: Tensor, label: Tensor) -> Tensor:
    """Counts of non-edge (row 0) and edge pixels (row 1) per bin of ``probability``, (2, 64) float64.

    A probability that is not a number counts as the lowest bin.
    """
    bins = (probability * EDGE_BINS).nan_to_num(0.0).long().clamp(0, EDGE_BINS - 1)
    index = torch.where(label != IGNORE, bins + EDGE_BINS * (label > 0.5), 2 * EDGE_BINS)
    counts = torch.bincount(index.flatten(), minlength=2 * EDGE_BINS + 1)
    return counts[:-1].view(2, EDGE_BINS).double()


def _semseg(prediction: Tensor, label: Tensor) -> Statistics:
    # ``max`` is ten times as fast as ``argmax`` here and names the first of equal classes too.
    return {"semseg/confusion": confusion(prediction.max(dim=1).indices, label, prediction.shape[1])}


def _depth(prediction: Tensor, label: Tensor) -> Statistics:
    return {"depth/moments": moments(prediction.clamp(min=0), label)}


def _normal(prediction: Tensor, label: Tensor) -> Statistics:
    return {"normal/angles": angles(prediction, label)}


def _edge(prediction: Tensor, label: Tensor) -> Statistics:
    probability = torch.sigmoid(prediction.double())
    return {"edge/moments": moments(probability, label), "edge/histogram": edge_histogram(probability, label)}


MEASURES: dict[str, Callable[[Tensor, Tensor], Statistics]] = {
    "semseg": _semseg,
    "depth": _depth,
    "normal": _normal,
    "edge": _edge,
}
