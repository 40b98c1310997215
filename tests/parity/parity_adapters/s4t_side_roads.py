"""Losses and estimators of the S4T release that no number of this project rests on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.tasks.contract import IGNORE


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


def present(name: str, raw: Tensor) -> Tensor:
    """A raw output as the release hands it to its meters, by the release's task name; ``raw`` (B, C, H, W).

    NYUD and PASCAL: class ids (B, H, W), metres clamped at 0 (B, H, W, 1), normals encoded as (n + 1) 127.5
    (B, H, W, 3), edges as 255 sigmoid (B, H, W). Taskonomy: class ids, everything else as it is, single channels
    without their axis.
    """
    if name in ("semseg", "segment_semantic"):
        return raw.argmax(dim=1)
    if name == "depth":
        return raw.clamp(min=0).permute(0, 2, 3, 1)
    if name == "normals":
        return ((F.normalize(raw, dim=1, eps=1e-12) + 1) * 127.5).permute(0, 2, 3, 1)
    if name == "edge":
        return 255 * torch.sigmoid(raw).squeeze(1)
    return raw.squeeze(1)


def invpt_depth_errors(prediction: Tensor, label: Tensor) -> dict[str, float]:
    """InvPT's other depth errors over all valid pixels: ``log_rmse``, ``abs_rel``, ``sq_rel``.

    Values at or below 0 count as 1e-9.
    """
    valid = label != IGNORE
    p, g = (torch.where(x > 0, x, 1e-9)[valid].double() for x in (prediction, label))
    return {
        "log_rmse": float((p.log() - g.log()).square().mean().sqrt()),
        "abs_rel": float(((p - g).abs() / g).mean()),
        "sq_rel": float(((p - g).square() / g).mean()),
    }
