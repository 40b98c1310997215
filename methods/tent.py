"""TENT: fully test-time adaptation by entropy minimisation (Wang et al., ICLR 2021, arXiv:2006.10726)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ttt_bench.method.contract import Card, Method, Model, Needs, OptimizerSpec, norm_affine
from ttt_bench.networks.contract import Predictions
from ttt_bench.toolbox.outputs import mean_entropy


@dataclass(frozen=True)
class Tent(Method):
    """Entropy of the predicted classes; batch statistics always; batch-norm scale and shift move.

    Option: ``answer`` ``after`` the update, or as published ``before`` it: the predictions that the last loss was of.
    """

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
            "predictions are read after the update; the official code returns those before it: answer=before",
        ),
    )
    bn = "batch"
    native = OptimizerSpec("adam", lr=1e-3)
    needs = Needs(output="classes")

    answer: Literal["after", "before"] = "after"

    def prepare(self, model: Model) -> None:
        """Make room for what moves as it was before the last update."""
        if self.answer == "before":
            for place, parameter in enumerate(self.updated(model)):
                model.aux.register_buffer(f"before{place}", parameter.detach().clone())

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Batch-norm affine parameters, in module order; without batch norm, those of layer and group norms."""
        return norm_affine(model.network.encoder)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Mean entropy of the predicted classes."""
        if self.answer == "before":
            for parameter, before in zip(self.updated(model), model.aux.buffers(), strict=True):
                before.copy_(parameter.detach())
        return mean_entropy(model.network(images))

    def predict(self, model: Model, images: Tensor) -> Predictions:
        """With the weights as they are, or as they were before the last update."""
        if self.answer == "after":
            return super().predict(model, images)
        names = {parameter: name for name, parameter in model.network.named_parameters()}
        before = dict(zip((names[p] for p in self.updated(model)), model.aux.buffers(), strict=True))
        predictions: Predictions = torch.func.functional_call(model.network, before, (images,))
        return predictions
