"""Contrastive losses: two views of images (NT-Xent), and a moving encoder's features with a frozen one's (InfoNCE)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Direction = Literal["sym", "c2s", "s2c"]


def nt_xent(views: Tensor, temperature: float, copies: int = 1) -> Tensor:
    """NT-Xent of two views of each image (Chen et al. 2020), a scalar; 0 for a single image.

    Args:
        views: (2 N, d) unit rows; row i and row N + i are a pair.
        temperature: cosines are divided by it.
        copies: so many consecutive pairs are of one image, and no negatives of each other.
    """
    count = len(views)
    similarity = views @ views.T / temperature
    pairs = torch.arange(count, device=views.device) % (count // 2)
    images, partners = pairs // copies, torch.arange(count, device=views.device).roll(count // 2)
    left_out = images.unsqueeze(0) == images.unsqueeze(1)
    left_out[torch.arange(count), partners] = False
    return F.cross_entropy(similarity.masked_fill(left_out, float("-inf")), partners)


def info_nce(
    moving: Tensor, frozen: Tensor, temperature: float, direction: Direction = "sym", excluded: Tensor | None = None
) -> Tensor:
    """InfoNCE between rows (N, d) that belong together, a scalar; no gradient reaches ``frozen``.

    Args:
        moving: of any length; cosines are compared.
        frozen: likewise.
        temperature: cosines are divided by it.
        direction: ``c2s``: each moving row among all frozen ones; ``s2c``: the reverse; ``sym``: their mean.
        excluded: (N, N) bool, symmetric: pairs that are no negatives; the diagonal always stays.
    """
    cosine = F.normalize(moving, dim=1) @ F.normalize(frozen.detach(), dim=1).T / temperature
    own = torch.arange(len(cosine), device=cosine.device)
    if excluded is not None:
        itself = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
        cosine = cosine.masked_fill(excluded & ~itself, float("-inf"))
    terms = []
    if direction != "s2c":
        terms.append(F.cross_entropy(cosine, own))
    if direction != "c2s":
        terms.append(F.cross_entropy(cosine.T, own))
    return torch.stack(terms).mean()


def smooth_distance(moving: Tensor, frozen: Tensor) -> Tensor:
    """Smooth L1 of rows (N, d), both standardised by the frozen ones' mean and deviation of each channel."""
    mean, spread = frozen.mean(0), frozen.std(0, correction=0) + 1e-6
    return F.smooth_l1_loss((moving - mean) / spread, (frozen - mean) / spread)
