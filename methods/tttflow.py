"""TTTFlow: unsupervised test-time training with normalizing flow (Osowiechi et al., WACV 2023)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from ttt_bench.method.contract import Card, Method, Model, Needs, OptimizerSpec, Range, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.toolbox.flow import RealNVP, negative_log_likelihood


@dataclass(frozen=True)
class TTTFlow(Method):
    """Negative log-likelihood of a feature map under a flow that was fitted to source features.

    Options:
        stage: whose map the flow models (2 = c3).
        blocks: residual blocks in each coupling's network.
        width: channels in those networks; 0 = those of the map (published).
        actnorm: how ActNorm starts: ``standard`` (zero mean, unit variance) or ``official`` (shift not rescaled).
    """

    name = "tttflow"
    card = Card(
        title="TTTFlow",
        paper="Osowiechi et al., TTTFlow: Unsupervised Test-Time Training with Normalizing Flow, WACV 2023",
        venue="WACV 2023",
        equation="-mean over elements of c3 of log N(z; 0, 1) + log-determinant, z the flow's latent",
        updates="stem and stages up to the tapped one, weights and running statistics; later stages and heads stay",
        hooks="c3 at its own resolution",
        defaults="3 checkerboard couplings, 2 ActNorms (+26,003,462 parameters with ResNet-50); SGD 1e-3, momentum "
        "0.9, weight decay 5e-4, 10 steps, reset before each batch; flow fitted on frozen features with the same rate",
        parity_cases=6,
        deviations=(
            "masks follow the map, which need not be square or of one size",
            "the flow's gradient is clipped while it is fitted; the published settings are known to diverge",
            "the optimizer is reset with the weights; the official one leaks momentum into the next episode",
        ),
        oddities=(
            "ActNorm's starting shift is not divided by the standard deviation: actnorm=official",
            "ActNorm forgets that it is set and starts again from the first test batch: not offered, a buffer here",
        ),
    )
    needs = Needs(stage="stage")  # the stages behind the tapped one do not adapt
    native = OptimizerSpec("sgd", lr=1e-3, momentum=0.9, weight_decay=5e-4)
    branch = "after"
    source_optimizer = OptimizerSpec("sgd", lr=1e-3, momentum=0.9, weight_decay=5e-4)
    source_clip_norm: ClassVar[float | None] = 5.0
    source_options = ("stage", "blocks", "width", "actnorm")

    stage: Annotated[int, Range(1, 4)] = 2
    blocks: Annotated[int, Range(1)] = 2
    width: Annotated[int, Range(0)] = 0
    actnorm: Literal["standard", "official"] = "standard"

    def auxiliary(self, network: Network) -> nn.Module:
        """The flow."""
        channels = network.channels[self.stage - 1]
        return RealNVP(channels, self.width or channels, self.blocks, self.actnorm == "standard")

    def source_loss(self, model: Model, batch: SourceBatch, rng: torch.Generator) -> Tensor:
        """Negative log-likelihood of the frozen network's features."""
        return flow_loss(model, batch.features[self.stage - 1].detach())

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Everything up to the tapped stage; the flow is frozen."""
        return (parameter for module in self.adapting_modules(model) for parameter in module.parameters())

    def adapting_modules(self, model: Model) -> Iterable[nn.Module]:
        """Only what is updated is in train mode; later stages keep their source statistics."""
        return model.network.encoder.up_to(self.stage)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Negative log-likelihood of the batch's features, the flow in eval mode."""
        return flow_loss(model, model.network.features(images, self.stage)[-1])


def flow_loss(model: Model, features: Tensor) -> Tensor:
    """Nats per element of (N, C, H, W) under ``model``'s flow."""
    return negative_log_likelihood(*model.aux(features))
