"""PTBN: predictions by the statistics of the batch at hand. Separates TENT and TIPI from what they read with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.method.contract import Card, Method, Model


@dataclass(frozen=True)
class PTBN(Method):
    """Batch norm by the batch at hand, at once and in full; no weight and no running statistic moves.

    ``bn`` moves running statistics with momentum 0.1 per forward, so after few steps it has re-estimated little of
    them. A method whose policy is ``batch`` has all of it before its first update.
    """

    name = "ptbn"
    card = Card(
        title="PTBN",
        paper="Nado et al., Evaluating Prediction-Time Batch Normalization for Robustness under Covariate Shift",
        venue="arXiv:2006.10963, 2020",
        equation="none; batch norm by the mean and variance of the batch at hand",
        updates="nothing",
        deviations=("a network without batch norm has nothing to estimate again: there PTBN is Base",),
    )
    bn = "batch"
    native = None
    adapts = False

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> None:
        """Nothing to minimise, and no forward to make."""
