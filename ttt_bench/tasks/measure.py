"""From a prediction and its label to sufficient statistics; the other half of ``tasks.scores``.

Everything stays on the prediction's device, in float64 sums over the whole batch, without host round trips
other than those of ``bincount``: this runs once per evaluated step and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks.contract import IGNORE
from ttt_bench.tasks.tensors import length, unit

EDGE_BINS = 64
"""Bins of the edge probability in ``edge/histogram``, equally wide over [0, 1]."""

ANGLE_THRESHOLDS = (11.25, 22.5, 30.0)
"""Degrees, in the order of ``scores.ANGLES``."""

Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class Truth:
    """One task's label of one batch, checked and brought into the form that every step's score needs.

    A batch is scored at every step of every method against the same label; what depends on the label alone is done
    once.
    """

    task: str
    shape: tuple[int, ...]
    """Of the predictions that it can score."""
    parts: tuple[Tensor, ...]


def prepare(task: str, label: Tensor, classes: int = 1) -> Truth:
    """Ready ``label`` for ``score``.

    Args:
        task: a key of ``TASKS``.
        label: (B, H, W) class ids for semseg, else (B, C, H, W); 255 = invalid.
        classes: C of semseg, which its label does not show.

    Raises:
        UserError: the task is unknown, or a class id is neither a class nor 255.
    """
    if task not in MEASURES:
        raise UserError(f"Unknown task {task!r}.", did_you_mean(task, MEASURES))
    shape = (label.shape[0], classes, *label.shape[1:]) if task == "semseg" else tuple(label.shape)
    return Truth(task, shape, MEASURES[task].prepare(label, classes))


@torch.no_grad()
def score(prediction: Tensor, truth: Truth) -> Statistics:
    """Sufficient statistics of one batch for every metric of the task.

    Args:
        prediction: (B, C, H, W) raw output: class logits, metres, un-normalised normals, edge logit.
        truth: of the same batch.

    Returns:
        By statistic name, float64, pooled over the batch (layouts: ``scores.MOMENTS``, ``scores.ANGLES``):
        ``semseg/confusion`` (C, C), rows are the truth; ``depth/moments`` (6,) of metres clamped at 0;
        ``edge/moments`` (6,) of the edge probability; ``normal/angles`` (5,); ``edge/histogram`` (2, 64),
        counts of non-edge and edge pixels per bin of the probability.

    Raises:
        UserError: the shapes do not match.
    """
    if tuple(prediction.shape) != truth.shape:
        raise UserError(
            f"The {truth.task} prediction has shape {tuple(prediction.shape)}, its label belongs to {truth.shape}.",
            "Predictions must have the images' size and the task's channels.",
        )
    return MEASURES[truth.task].score(prediction, *truth.parts)


def measure(task: str, prediction: Tensor, label: Tensor) -> Statistics:
    """``score`` against a label that is used once."""
    return score(prediction, prepare(task, label, prediction.shape[1]))


def measure_all(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Statistics:
    """``measure`` for every predicted task, in one dictionary."""
    statistics: Statistics = {}
    for task, prediction in predictions.items():
        statistics |= measure(task, prediction, labels[task])
    return statistics


# --- the arithmetic, usable alone ----------------------------------------------------------------


def moments(prediction: Tensor, label: Tensor) -> Tensor:
    """``scores.MOMENTS`` of two equally shaped tensors where the label is not 255, (6,) float64."""
    return _moments(prediction, *_scalar_truth(label))


def angles(prediction: Tensor, label: Tensor) -> Tensor:
    """``scores.ANGLES`` between two vector fields (B, 3, H, W), neither of them necessarily of unit length.

    The angle is 2 atan2(|p - g|, |p + g|) of the normalised vectors, which is exact near 0 and 180 degrees
    where the arc cosine is not. A zero vector stays zero: 0 degrees to another one, 90 to anything else.
    A pixel is valid when none of its three label entries is 255.
    """
    return _angles(prediction, *_vector_truth(label))


def _confusion_truth(label: Tensor, classes: int) -> tuple[Tensor, ...]:
    """Where each pixel's row of the confusion matrix begins; ignored pixels have a row of their own at the end."""
    ignored = label == IGNORE
    if bool(((label >= classes) & ~ignored).any()) or bool((label < 0).any()):
        raise UserError(f"A semseg label is neither one of {classes} classes nor {IGNORE}.")
    return (torch.where(ignored, classes, label.long()) * classes,)


def _confusion(prediction: Tensor, rows: Tensor) -> Statistics:
    count = prediction.shape[1]
    # ``max`` is ten times as fast as ``argmax`` here and names the first of equal classes too.
    index = rows + prediction.max(dim=1).indices
    counts = torch.bincount(index.flatten(), minlength=(count + 1) * count)
    return {"semseg/confusion": counts[: count**2].view(count, count).double()}


def _scalar_truth(label: Tensor, _classes: int = 1) -> tuple[Tensor, ...]:
    """Valid places, and the label in float64 with 0 elsewhere."""
    valid = label != IGNORE
    return valid, torch.where(valid, label, 0.0).double()


def _moments(prediction: Tensor, valid: Tensor, truth: Tensor) -> Tensor:
    p = torch.where(valid, prediction, 0.0).double().flatten()
    g = truth.flatten()
    return torch.stack((valid.sum().double(), p.sum(), g.sum(), p.dot(p), p.dot(g), g.dot(g)))


def _depth(prediction: Tensor, valid: Tensor, truth: Tensor) -> Statistics:
    return {"depth/moments": _moments(prediction.clamp(min=0), valid, truth)}


def _vector_truth(label: Tensor, _classes: int = 3) -> tuple[Tensor, ...]:
    """Valid places (B, H, W), and unit vectors."""
    return (label != IGNORE).all(dim=1), unit(label.float())


def _angles(prediction: Tensor, valid: Tensor, truth: Tensor) -> Tensor:
    p = unit(prediction.float().contiguous())
    angle = torch.rad2deg(2 * torch.atan2(length(p - truth), length(p + truth)))
    angle = torch.where(valid, angle, 0.0)
    within = [(valid & (angle <= limit)).sum().double() for limit in ANGLE_THRESHOLDS]
    return torch.stack((valid.sum().double(), angle.sum(dtype=torch.float64), *within))


def _normal(prediction: Tensor, valid: Tensor, truth: Tensor) -> Statistics:
    return {"normal/angles": _angles(prediction, valid, truth)}


def _edge_truth(label: Tensor, classes: int) -> tuple[Tensor, ...]:
    """As for a scalar, and where each pixel's row of the histogram begins: no edge, edge, ignored."""
    valid, truth = _scalar_truth(label, classes)
    return valid, truth, torch.where(valid, EDGE_BINS * (label > 0.5), 2 * EDGE_BINS)


def _edge(prediction: Tensor, valid: Tensor, truth: Tensor, rows: Tensor) -> Statistics:
    probability = torch.sigmoid(prediction.double())
    # A probability that is not a number counts as the lowest bin.
    bins = (probability * EDGE_BINS).nan_to_num_(0.0).long().clamp_(0, EDGE_BINS - 1)
    counts = torch.bincount((rows + bins).flatten(), minlength=3 * EDGE_BINS)
    return {
        "edge/moments": _moments(probability, valid, truth),
        "edge/histogram": counts[: 2 * EDGE_BINS].view(2, EDGE_BINS).double(),
    }


@dataclass(frozen=True)
class Measure:
    """How one task is scored."""

    prepare: Callable[[Tensor, int], tuple[Tensor, ...]]
    """(label, classes) -> what the score needs of it."""
    score: Callable[..., Statistics]
    """(prediction, *prepared) -> statistics."""


MEASURES: dict[str, Measure] = {
    "semseg": Measure(_confusion_truth, _confusion),
    "depth": Measure(_scalar_truth, _depth),
    "normal": Measure(_vector_truth, _normal),
    "edge": Measure(_edge_truth, _edge),
}
