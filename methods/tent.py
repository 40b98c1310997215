"""TENT: fully test-time adaptation by entropy minimisation (Wang et al., ICLR 2021, arXiv:2006.10726)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttt_bench.method.contract import Card, Method, Model, Needs, OptimizerSpec, norm_affine
from ttt_bench.toolbox.outputs import mean_entropy


@dataclass(frozen=True)
class Tent(Method):
    """Entropy of the predicted classes; batch statistics always; batch-norm scale and shift move."""

    name = "tent"
    card = Card(
        title="TENT",
        paper="Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization, arXiv:2006.10726",
        venue="ICLR 2021",
        equation="mean over pixels (or images) of H(softmax z) for the class logits z (eq. 1)",
        updates="batch-norm weight and bias of the encoder",
        defaults="Adam 1e-3 of the official CIFAR-10-C example",
        parity_cases=8,
        deviations=(
            "in a network without batch norm, scale and shift of its group and layer norms move (as in SAR's study)",
            "the reduction over pixels is the mean (the official code is for classification only)",
            "predictions are read after the update; the official code returns those before the last one",
        ),
    )
    bn = "batch"
    native = OptimizerSpec("adam", lr=1e-3)
    needs = Needs(output="classes")

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Batch-norm affine parameters, in module order; without batch norm, those of layer and group norms."""
        return norm_affine(model.network.encoder)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Mean entropy of the predicted classes."""
        return mean_entropy(model.network(images))
