"""TIPI: test-time adaptation with transformation invariance (Nguyen et al., CVPR 2023)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ttt_bench.domains.normalisation import SCALINGS
from ttt_bench.method.contract import Card, ImageForm, Method, Model, Needs, OptimizerSpec, Range, norm_affine
from ttt_bench.networks.contract import Predictions
from ttt_bench.tasks import get_task, of_kind
from ttt_bench.tasks.contract import Output
from ttt_bench.toolbox.outputs import mean_entropy

THRESHOLD = 64
"""Batches larger than this may be predicted with their own statistics (``large_batch``)."""


@dataclass(frozen=True)
class Tipi(Method):
    """Invariance to the worst small perturbation, found by one signed gradient step from a random start.

    Two sets of batch-norm statistics, ``main`` for clean and ``adv`` for perturbed images, share scale and
    shift. Options: ``epsilon`` in ``units`` of normalised input or of pixels in [0, 1]; ``tent_coeff`` weighs the
    entropy of classes;
    ``reverse`` KL(adv || clean), else KL(clean || adv); ``invariance`` ``all`` tasks or ``classes`` only.
    Official accidents: ``random_start=false`` (the attack's gradient is then rounding noise) and
    ``skip_sequential=true`` (norms that are numbered children are left single and frozen).
    ``large_batch`` predicts batches over 64 with ``running`` statistics, with their own (``batch``), or as
    ``official``: with their own, and reading the prediction also moves the running statistics.
    """

    name = "tipi"
    card = Card(
        title="TIPI",
        paper="Nguyen et al., TIPI: Test Time Adaptation with Transformation Invariance, CVPR 2023",
        venue="CVPR 2023",
        equation="sum over tasks of w_t D_t(f(x + delta), stopgrad f(x)) + entropy, delta = one FGSM step",
        updates="batch-norm weight and bias of the encoder, shared by two sets of statistics",
        defaults="official ImageNet-C preset: SGD momentum 0.9, 2.5e-4 per 64 images, random start, 1 step a batch; "
        "images: the CIFAR-10 code's Adam 1e-3 without the entropy, epsilon in [0, 1] (CIFAR-100: tent_coeff=5)",
        parity_cases=8,
        deviations=(
            "without batch norm the two sets of statistics are one, and group and layer norms move",
            "depth: squared difference; normals: 1 - cosine; edges: Bernoulli KL; weighted as at source time",
            "one perturbation serves all tasks; invariance=classes restores the classification form",
            "epsilon 2/255 is in normalised units, as in the official ImageNet code; the CIFAR code's are units=pixels",
            "float32 throughout (official: mixed precision)",
        ),
        oddities=(
            "zero start attacks where the gradient is exactly zero: random_start=false",
            "batch norms inside nn.Sequential are not converted: skip_sequential=true",
            "reading a large batch's prediction moves running statistics: large_batch=official",
        ),
    )
    bn = "track"
    native = OptimizerSpec("sgd", lr_per_sample=3.90625e-06, momentum=0.9)
    image_form = ImageForm(
        OptimizerSpec("adam", lr=1e-3),
        {"units": "pixels", "tent_coeff": 0.0, "invariance": "classes", "large_batch": "batch"},
    )
    needs = Needs(output="classes", unless={"tent_coeff": 0.0, "invariance": "all"})

    epsilon: Annotated[float, Range(0)] = 0.00784313725490196
    units: Literal["normalised", "pixels"] = "normalised"
    tent_coeff: Annotated[float, Range(0)] = 1.0
    reverse: bool = True
    invariance: Literal["all", "classes"] = "all"
    random_start: bool = True
    skip_sequential: bool = False
    large_batch: Literal["running", "batch", "official"] = "running"

    def prepare(self, model: Model) -> None:
        """Give every batch norm of the network a second set of statistics."""
        pair_norms(model.network, self.skip_sequential)

    def updated(self, model: Model) -> Iterable[nn.Parameter]:
        """Scale and shift of every pair, in module order; without batch norm, of group and layer norms."""
        paired = [p for pair in pairs(model.network.encoder) for p in pair.main.parameters()]
        return paired or norm_affine(model.network.encoder)

    def loss(self, model: Model, images: Tensor, rng: torch.Generator) -> Tensor:
        """Divergence between the predictions for attacked and clean images, plus the clean entropy."""
        perturbed, clean, _ = self.attack(model, images, rng)
        with using(model.network, "adv"):
            attacked = model.network(perturbed)
        total = self.divergence(clean, attacked)
        if self.tent_coeff:
            total = total + self.tent_coeff * mean_entropy(clean)
        return total

    def attack(self, model: Model, images: Tensor, rng: torch.Generator) -> tuple[Tensor, Predictions, Tensor]:
        """One step of size epsilon along the sign of the divergence's gradient, within the epsilon ball.

        Returns:
            The perturbed images (detached, not clipped to the image range), the predictions for the clean
            ones (with graph where a loss needs it) and the gradient with respect to the perturbation.
        """
        reach = self.reach(model, images)
        delta = torch.zeros_like(images, requires_grad=not self.random_start)
        with torch.set_grad_enabled(not self.random_start or self.tent_coeff != 0):
            clean = attacked = model.network(images + delta)
        if self.random_start:
            delta = ((2 * self.noise(images, rng) - 1) * reach).requires_grad_()
            with using(model.network, "adv"):
                attacked = model.network(images + delta)
        objective = self.divergence(clean, attacked)
        (gradient,) = torch.autograd.grad(objective, delta, retain_graph=not self.random_start)
        moved = delta.detach() + reach * gradient.sign()
        delta = torch.minimum(torch.maximum(moved, -reach), reach)
        return images + delta, clean, gradient

    def reach(self, model: Model, images: Tensor) -> Tensor:
        """Epsilon in normalised units, by channel: (3, 1, 1) or ()."""
        if self.units == "normalised":
            return images.new_tensor(self.epsilon)
        _, deviation = SCALINGS[model.network.config.given]
        return self.epsilon / images.new_tensor(deviation).view(-1, 1, 1)

    def noise(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Uniform draws in [0, 1) for the random start, shaped as ``images``."""
        return torch.rand(images.shape, generator=rng).to(images)

    def divergence(self, clean: Predictions, attacked: Predictions) -> Tensor:
        """Weighted sum over tasks; the clean side is constant."""
        chosen = tuple(clean) if self.invariance == "all" else of_kind(clean, "classes")
        terms = []
        for task in map(get_task, chosen):
            weight = 1.0 if self.invariance == "classes" else task.weight
            distance = DIVERGENCES[task.output]
            terms.append(weight * distance(clean[task.name].detach(), attacked[task.name], self.reverse))
        return torch.stack(terms).sum()

    def predict(self, model: Model, images: Tensor) -> Predictions:
        """Predictions with the ``main`` statistics; see ``large_batch`` for batches over 64 images."""
        if self.large_batch == "running" or len(images) <= THRESHOLD:
            return super().predict(model, images)
        with own_statistics(model.network, keep_running=self.large_batch == "batch"):
            return super().predict(model, images)


def kl_divergence(clean: Tensor, attacked: Tensor, reverse: bool = True) -> Tensor:
    """KL over axis 1 of two logit maps (N, C, ...) -> (N, ...), in nats.

    ``reverse``: KL(attacked || clean), otherwise KL(clean || attacked).
    """
    first, second = (attacked, clean) if reverse else (clean, attacked)
    log_p, log_q = first.log_softmax(1), second.log_softmax(1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def _bernoulli_kl(clean: Tensor, attacked: Tensor, reverse: bool) -> Tensor:
    """A logit z is the two-class softmax of (0, z)."""
    pair = [torch.cat([torch.zeros_like(z), z], dim=1) for z in (clean, attacked)]
    return kl_divergence(pair[0], pair[1], reverse).mean()


DIVERGENCES: dict[Output, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "classes": lambda clean, attacked, reverse: kl_divergence(clean, attacked, reverse).mean(),
    # Both KL directions between Gaussians of one variance are the squared distance of their means.
    "scalar": lambda clean, attacked, _: (attacked - clean).square().mean(),
    "direction": lambda clean, attacked, _: (1 - F.cosine_similarity(clean, attacked, dim=1)).mean(),
    "probability": _bernoulli_kl,
}


class PairedBatchNorm(nn.Module):
    """Two batch norms with one scale and shift; ``branch`` says which one is at work."""

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.main = norm
        self.adv = copy.deepcopy(norm)
        self.adv.weight, self.adv.bias = norm.weight, norm.bias
        self.branch = "main"

    def forward(self, x: Tensor) -> Tensor:
        """Normalise by the statistics of the selected branch."""
        output: Tensor = self.main(x) if self.branch == "main" else self.adv(x)
        return output


def pair_norms(module: nn.Module, skip_numbered: bool) -> None:
    """Replace every batch norm below ``module`` by a pair.

    ``skip_numbered`` leaves out children with a numeric name, as the official walk over ``dir`` does.
    """
    for name, child in list(module.named_children()):
        if not isinstance(child, _BatchNorm):
            pair_norms(child, skip_numbered)
        elif not (skip_numbered and name[0].isdigit()):
            setattr(module, name, PairedBatchNorm(child))


def pairs(module: nn.Module) -> Iterator[PairedBatchNorm]:
    """Every pair, in module order."""
    return (m for m in module.modules() if isinstance(m, PairedBatchNorm))


@contextmanager
def using(network: nn.Module, branch: str) -> Iterator[None]:
    """Run forwards through ``branch`` ("main" or "adv") of every pair."""
    for pair in pairs(network):
        pair.branch = branch
    try:
        yield
    finally:
        for pair in pairs(network):
            pair.branch = "main"


@contextmanager
def own_statistics(network: nn.Module, keep_running: bool) -> Iterator[None]:
    """Forward with the statistics of the batch at hand; ``keep_running`` leaves the running ones alone."""
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
    tracking = [m.track_running_stats for m in norms]
    for norm in norms:
        norm.train()
        norm.track_running_stats = norm.track_running_stats and not keep_running
    try:
        yield
    finally:
        for norm, tracked in zip(norms, tracking, strict=True):
            norm.track_running_stats = tracked
            norm.eval()
