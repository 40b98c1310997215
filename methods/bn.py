"""BN: the forwards of an adapting method without its gradient. Separates a method from batch-norm re-estimation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttt_bench.method.contract import Card, Method, Model, batch_norms


@dataclass(frozen=True)
class BNOnly(Method):
    """Train-mode forwards that move the running statistics; no parameter is updated."""

    name = "bn"
    card = Card(
        title="BN only",
        paper="control (cf. Nado et al. 2020, Schneider et al. 2020)",
        venue="",
        equation="none; running statistics move with momentum 0.1 per forward",
        updates="running mean and variance of every batch norm",
        deviations=("a network without batch norm has nothing to estimate again: there BN is Base",),
    )
    bn = "track"
    native = None

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Nothing."""
        return ()

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> None:
        """The forward itself is the update."""
        if any(True for _ in batch_norms(model.network.heads)):
            model.network(images)
        else:
            model.network.features(images)
