"""Cosine distances between feature maps and their reconstructions, with hard mining."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def map_distance(targets: Sequence[Tensor], predictions: Sequence[Tensor], alpha: float | None = None) -> Tensor:
    """Sum over levels of the mean over images of 1 - cos(flattened target, flattened prediction), a scalar.

    Args:
        targets: (B, C_l, h_l, w_l) by level, with gradient unless detached by the caller.
        predictions: of the same shapes.
        alpha: hard mining: positions that are matched better than mean + alpha standard deviations of their level
            get no gradient; the value stays. None: all positions learn.
    """
    if alpha is not None:
        predictions = [hardest(target, guess, alpha) for target, guess in zip(targets, predictions, strict=True)]
    terms = [
        1 - F.cosine_similarity(target.flatten(1), guess.flatten(1)).mean()
        for target, guess in zip(targets, predictions, strict=True)
    ]
    return torch.stack(terms).sum()


def hardest(target: Tensor, prediction: Tensor, alpha: float) -> Tensor:
    """``prediction`` (B, C, h, w), its graph cut where it is close to ``target``.

    The distance of a position is 1 - cos over channels; the threshold is mean + alpha x unbiased standard deviation
    of all distances in the batch.
    """
    with torch.no_grad():
        distance = 1 - F.cosine_similarity(target, prediction, dim=1)
        easy = (distance < distance.mean() + alpha * distance.std()).unsqueeze(1)
    return torch.where(easy, prediction.detach(), prediction)


def mutual_divergence(first: Tensor, second: Tensor, axis: int) -> Tensor:
    """KL both ways between rows of logits (N, C), each target without gradient, summed and divided by N.

    ``axis`` of the softmax: 1, over classes; 0, over rows, as ReC-TTT's code has it.
    """
    log_p, log_q = first.log_softmax(axis), second.log_softmax(axis)
    one = F.kl_div(log_p, log_q.detach(), reduction="batchmean", log_target=True)
    return one + F.kl_div(log_q, log_p.detach(), reduction="batchmean", log_target=True)
