"""Base: the source model as it is. The control that every gain is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.method.contract import Card, Method, Model


@dataclass(frozen=True)
class Base(Method):
    """No adaptation: source weights, source batch-norm statistics."""

    name = "base"
    card = Card(
        title="Base",
        paper="control",
        venue="",
        equation="none",
        updates="nothing",
    )
    bn = "source"
    native = None
    adapts = False

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> None:
        """Nothing to minimise, and no forward to make."""
