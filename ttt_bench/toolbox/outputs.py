"""A network's outputs by what they mean, whatever its tasks are called."""

from __future__ import annotations

import torch
from torch import Tensor

from ttt_bench.networks.contract import Predictions
from ttt_bench.tasks import of_kind


def class_logits(predictions: Predictions) -> tuple[Tensor, ...]:
    """The logits of every task of classes, (B, C, H, W) each, or (B, C) where there is one class per image."""
    return tuple(predictions[task] for task in of_kind(predictions, "classes"))


def entropy(logits: Tensor) -> Tensor:
    """-sum_c softmax(z)_c log softmax(z)_c over axis 1, in nats: (N, C, ...) -> (N, ...)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def mean_entropy(predictions: Predictions) -> Tensor:
    """The entropy of every task of classes, averaged over pixels and images, then over the tasks."""
    return torch.stack([entropy(logits).mean() for logits in class_logits(predictions)]).mean()
