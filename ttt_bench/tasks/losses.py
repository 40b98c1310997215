"""Source losses of the four tasks (S4T appendix A; MTI-Net and InvPT lineage).

All mask pixels whose label is 255 and return 0, with a graph, when no pixel is valid. Defaults are the paper's
intent; the oddities of the release are the named functions ``released_*``, kept for its reference vectors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.tasks.contract import IGNORE, TASKS
from ttt_bench.tasks.tensors import unit

EDGE_POSITIVE_WEIGHT = 0.95


def semseg_loss(prediction: Tensor, label: Tensor) -> Tensor:
    """Softmax cross-entropy: sum over valid pixels / max(number of valid pixels, 1).

    Args:
        prediction: (B, C, H, W) logits.
        label: (B, H, W) class ids, 255 = ignore.
    """
    total = F.cross_entropy(prediction, label.long(), ignore_index=IGNORE, reduction="sum")
    return total / (label != IGNORE).sum().clamp(min=1)


def depth_loss(prediction: Tensor, label: Tensor) -> Tensor:
    """Mean absolute error over valid pixels; both (B, 1, H, W), metres."""
    return masked_l1(prediction, label)


def normal_loss(prediction: Tensor, label: Tensor) -> Tensor:
    """L1 between the normalised prediction and the label, summed over the 3 channels; both (B, 3, H, W)."""
    return masked_l1(unit(prediction), label)


def masked_l1(prediction: Tensor, label: Tensor) -> Tensor:
    """|.| summed over channels and valid pixels / number of valid pixels (not of entries).

    A pixel is dropped when any of its channels is 255.
    """
    valid = (label != IGNORE).all(dim=1, keepdim=True)
    error = torch.where(valid, (prediction - label).abs(), 0.0)
    return error.sum() / valid.sum().clamp(min=1)


def edge_loss(prediction: Tensor, label: Tensor, positive_weight: float | None = EDGE_POSITIVE_WEIGHT) -> Tensor:
    """Balanced binary cross-entropy, mean over valid pixels; both (B, 1, H, W), prediction = logit.

    ``positive_weight`` weighs edge pixels, its complement the others; None = the batch's share of non-edges.
    """
    valid = label != IGNORE
    count = valid.sum()
    if positive_weight is None:
        positives = (valid & (label > 0.5)).sum()
        weight = 1.0 - positives / count.clamp(min=1)
        weight = torch.where(positives > 0, weight, 0.0)
    else:
        weight = prediction.new_tensor(positive_weight)
    target = torch.where(valid, label, 0.0)
    edge = -weight * target * F.logsigmoid(prediction)
    rest = -(1 - weight) * (1 - target) * F.logsigmoid(-prediction)
    if positive_weight is None:
        # Without a single edge pixel the release returns 0.
        rest = torch.where(weight > 0, rest, 0.0)
    return torch.where(valid, edge + rest, 0.0).sum() / count.clamp(min=1)


TASK_LOSSES = {"semseg": semseg_loss, "depth": depth_loss, "normal": normal_loss, "edge": edge_loss}


def task_losses(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The unweighted source loss of every predicted task."""
    return {task: TASK_LOSSES[task](predictions[task], labels[task]) for task in predictions}


def supervise(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """The weighted source loss of every predicted task."""
    return weighted_sum(task_losses(predictions, labels))


def weighted_sum(losses: Mapping[str, Tensor], weights: Mapping[str, float] | None = None) -> Tensor:
    """Sum of w_t times the loss of t; default weights semseg 1, depth 1, normal 10, edge 50."""
    table = {name: task.weight for name, task in TASKS.items()} if weights is None else weights
    return torch.stack([table[task] * loss for task, loss in losses.items()]).sum()
