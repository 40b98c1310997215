"""TENT: fully test-time adaptation by entropy minimisation (Wang et al., ICLR 2021, arXiv:2006.10726)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttt_bench.method.contract import Card, Method, Model, OptimizerSpec, norm_affine


@dataclass(frozen=True)
class Tent(Method):
    """Entropy of the segmentation head; batch statistics always; batch-norm scale and shift move."""

    name = "tent"
    card = Card(
        title="TENT",
        paper="Wang et al., Tent: Fully Test-Time Adaptation by Entropy Minimization, arXiv:2006.10726",
        venue="ICLR 2021",
        equation="mean over pixels of H(softmax z) for the segmentation logits z (eq. 1)",
        updates="batch-norm weight and bias of the encoder",
        defaults="Adam 1e-3 of the official CIFAR-10-C example",
        parity_cases=8,
        deviations=(
            "the reduction over pixels is the mean (the official code is for classification only)",
            "predictions are read after the update; the official code returns those before the last one",
        ),
    )
    bn = "batch"
    native = OptimizerSpec("adam", lr=1e-3)
    needs_tasks = ("semseg",)

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Batch-norm affine parameters, in module order."""
        return norm_affine(model.network)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Mean entropy of the segmentation prediction."""
        return entropy(model.network(images)["semseg"]).mean()


def entropy(logits: Tensor) -> Tensor:
    """-sum_c softmax(z)_c log softmax(z)_c over axis 1, in nats: (N, C, ...) -> (N, ...)."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)
