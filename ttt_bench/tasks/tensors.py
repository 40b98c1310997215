"""Vectors in a field of them, channels first: lengths, directions, distances.

``torch.linalg.vector_norm`` (and with it ``F.normalize``) over the channel dimension of an image takes two hundred
times as long on a CPU as the same sum written out: over an evaluation it cost more than a small network's forward.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ttt_bench.tasks.contract import IGNORE

SHORTEST = 1e-12
"""Lengths below this count as this, so that a zero vector stays zero (torch's ``F.normalize`` at the same ``eps``)."""


def length(vectors: Tensor) -> Tensor:
    """(B, C, H, W) -> the Euclidean length at every place, (B, H, W)."""
    return vectors.square().sum(dim=1).sqrt()


def unit(vectors: Tensor) -> Tensor:
    """(B, C, H, W) -> vectors of length 1; ``F.normalize(vectors, dim=1, eps=SHORTEST)``, gradients included."""
    return vectors / vectors.square().sum(dim=1, keepdim=True).clamp(min=SHORTEST**2).sqrt()


def masked_l1(prediction: Tensor, label: Tensor) -> Tensor:
    """|.| summed over channels and valid pixels / number of valid pixels (not of entries).

    A pixel is dropped when any of its channels is 255.
    """
    valid = (label != IGNORE).all(dim=1, keepdim=True)
    error = torch.where(valid, (prediction - label).abs(), 0.0)
    return error.sum() / valid.sum().clamp(min=1)
