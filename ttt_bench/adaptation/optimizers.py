"""Optimisers from their published settings."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ttt_bench.errors import UserError
from ttt_bench.method.card import OptimizerSpec


def build_optimizer(
    spec: OptimizerSpec, parameters: Iterable[nn.Parameter], fused: bool = False
) -> torch.optim.Optimizer:
    """Build ``spec`` over ``parameters``.

    Args:
        spec: the published settings.
        parameters: what it moves.
        fused: take Adam's step in one pass over memory: several times as fast, equal up to rounding.

    Raises:
        UserError: the optimiser is unknown.
    """
    chosen = list(parameters)
    if spec.name == "sgd":
        return torch.optim.SGD(
            chosen, lr=spec.lr, momentum=spec.momentum, nesterov=spec.nesterov, weight_decay=spec.weight_decay
        )
    if spec.name == "adam":
        return torch.optim.Adam(chosen, lr=spec.lr, weight_decay=spec.weight_decay, fused=fused)
    if spec.name == "adamw":
        return torch.optim.AdamW(chosen, lr=spec.lr, weight_decay=spec.weight_decay)
    raise UserError(f"Unknown optimizer {spec.name!r}.", "Valid: sgd, adam, adamw.")
