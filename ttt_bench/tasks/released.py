"""Losses and estimators of the S4T release that are accidents or side roads, kept for parity with it.

Nothing here is used by default. Oddities: the Taskonomy normal loss takes its cosine along image width, its
depth and edge losses ignore no pixel, the weights of the tasks are learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.tasks.losses import semseg_loss
from ttt_bench.tasks.task import IGNORE


def automatic_weighting(losses: Mapping[str, Tensor], sigma: Tensor) -> Tensor:
    """sum_t 0.5 / s_t^2 l_t + log(1 + s_t^2), with s_t = ``sigma[t]`` in the order of ``losses``."""
    values = torch.stack(list(losses.values()))
    return (0.5 / sigma**2 * values + torch.log1p(sigma**2)).sum()


def taskonomy_l1(prediction: Tensor, label: Tensor) -> Tensor:
    """Plain mean absolute error, no mask; both (B, 1, H, W)."""
    return (prediction - label).abs().mean()


def taskonomy_normal(prediction: Tensor, label: Tensor) -> Tensor:
    """1 - cosine between image rows, per channel: sum and norms run along the width; all (B, 3, H, W)."""
    norms = (prediction.norm(dim=-1) + 1e-6) * (label.norm(dim=-1) + 1e-6)
    cosine: Tensor = (prediction * label).sum(dim=-1) / norms
    return 1 - cosine.mean()


TASKONOMY_LOSSES = {
    "semseg": semseg_loss,
    "depth": taskonomy_l1,
    "normal": taskonomy_normal,
    "edge": taskonomy_l1,
}
"""The release's source losses on Taskonomy, by our task names."""


def mtinet_normal(prediction: Tensor, label: Tensor) -> Tensor:
    """MTI-Net's normal loss: L1 of the normalised prediction over valid entries, not pixels."""
    valid = label != IGNORE
    error = torch.where(valid, (F.normalize(prediction, dim=1, eps=1e-12) - label).abs(), 0.0)
    return error.sum() / valid.sum().clamp(min=1)


def align(prediction: Tensor, label: Tensor) -> Tensor:
    """The least-squares scale and shift of ``prediction`` onto ``label`` over all valid entries, float64.

    The release fits it once per evaluation batch before it measures depth and edges. A constant prediction
    becomes the mean of the label.
    """
    valid = label != IGNORE
    p, g = prediction[valid].double(), label[valid].double()
    centred = p - p.mean()
    variance = centred.dot(centred)
    scale = torch.where(variance > 0, centred.dot(g) / variance.clamp(min=1e-300), 0.0)
    return scale * (prediction.double() - p.mean()) + g.mean()
