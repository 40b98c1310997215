"""From predictions and labels to sufficient statistics; the other half of ``tasks.statistics``.

Everything stays on the prediction's device, in float64 sums over the whole batch, without host round trips
other than those of ``bincount``: this runs once per evaluated step and batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.errors import UserError
from ttt_bench.tasks.catalogue import get_task
from ttt_bench.tasks.contract import IGNORE, Task
from ttt_bench.tasks.tensors import length, unit

ANGLE_THRESHOLDS = (11.25, 22.5, 30.0)
"""Degrees."""

Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class Truth:
    """One task's label of one batch, checked and brought into the form that every step's score needs.

    A batch is scored at every step of every method against the same label; what depends on the label alone is done
    once.
    """

    task: Task
    shape: tuple[int, ...]
    """Of the predictions that it can score."""
    parts: tuple[Tensor, ...]


def prepare(task: str, label: Tensor, channels: int = 1) -> Truth:
    """Ready ``label`` for ``score``.

    Args:
        task: its name.
        label: (B, *label.shape(size)) as the task has it.
        channels: of the predictions, which a label of classes does not show.

    Raises:
        UserError: the task is unknown, the label has another shape, or it holds what is no label.
    """
    known = get_task(task)
    size = (label.shape[-2], label.shape[-1]) if label.dim() > 2 else (1, 1)
    if tuple(label.shape[1:]) != known.label.shape(size):
        raise UserError(f"A {task} label batch has no shape {tuple(label.shape)}.", f"It is (B, *{known.label}).")
    return Truth(known, known.prediction_shape(label.shape, channels), known.ready(label, channels))


@torch.no_grad()
def score(prediction: Tensor, truth: Truth) -> Statistics:
    """Sufficient statistics of one batch for every metric of the task.

    Args:
        prediction: (B, C, H, W) raw output, or (B, C) where there is one per image.
        truth: of the same batch.

    Returns:
        By statistic name, float64, pooled over the batch; their layouts stand in the task's file.

    Raises:
        UserError: the shapes do not match.
    """
    if tuple(prediction.shape) != truth.shape:
        raise UserError(
            f"A {truth.task.name} prediction has shape {tuple(prediction.shape)}, its label belongs to {truth.shape}.",
            "Predictions must have the images' size and the task's channels.",
        )
    return truth.task.score(prediction, *truth.parts)


def measure(task: str, prediction: Tensor, label: Tensor) -> Statistics:
    """``score`` against a label that is used once."""
    return score(prediction, prepare(task, label, prediction.shape[1]))


# --- the arithmetic, usable alone ----------------------------------------------------------------


def moments(prediction: Tensor, label: Tensor) -> Tensor:
    """``statistics.MOMENTS`` of two equally shaped tensors where the label is not 255, (6,) float64."""
    return moments_of(prediction, *scalar_truth(label))


def angles(prediction: Tensor, label: Tensor) -> Tensor:
    """Number, sum and counts within ``ANGLE_THRESHOLDS`` of the angles between two vector fields (B, 3, H, W).

    The angle is 2 atan2(|p - g|, |p + g|) of the normalised vectors, which is exact near 0 and 180 degrees
    where the arc cosine is not. A zero vector stays zero: 0 degrees to another one, 90 to anything else.
    A pixel is valid when none of its three label entries is 255.
    """
    return angles_of(prediction, *vector_truth(label))


def scalar_truth(label: Tensor) -> tuple[Tensor, Tensor]:
    """Valid places, and the label in float64 with 0 elsewhere."""
    valid = label != IGNORE
    return valid, torch.where(valid, label, 0.0).double()


def moments_of(prediction: Tensor, valid: Tensor, truth: Tensor) -> Tensor:
    """``moments`` against a ``scalar_truth``."""
    p = torch.where(valid, prediction, 0.0).double().flatten()
    g = truth.flatten()
    return torch.stack((valid.sum().double(), p.sum(), g.sum(), p.dot(p), p.dot(g), g.dot(g)))


def vector_truth(label: Tensor) -> tuple[Tensor, Tensor]:
    """Valid places (B, H, W), and unit vectors."""
    return (label != IGNORE).all(dim=1), unit(label.float())


def angles_of(prediction: Tensor, valid: Tensor, truth: Tensor) -> Tensor:
    """``angles`` against a ``vector_truth``."""
    p = unit(prediction.float().contiguous())
    angle = torch.rad2deg(2 * torch.atan2(length(p - truth), length(p + truth)))
    angle = torch.where(valid, angle, 0.0)
    within = [(valid & (angle <= limit)).sum().double() for limit in ANGLE_THRESHOLDS]
    return torch.stack((valid.sum().double(), angle.sum(dtype=torch.float64), *within))
