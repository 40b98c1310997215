"""ClusT3's reference cases."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from parity_adapters.plugin import plugin
from parity_adapters.tiny_trunks import Names, TinyTrunk, run_updates, source_batch, trunk_names
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers

OFFICIAL = {"layout": "official", "marginal": "logit_kl"}


class HeadNames(Names):
    """Official ``projectorL.H.*`` (one convolution per head) against one convolution per stage."""

    def __init__(self, layers: list[int], heads: int) -> None:
        super().__init__(trunk_names())
        self.layers, self.heads = layers, heads

    def ours(self, state: Any) -> dict[str, Tensor]:
        """The trunk renamed, the heads of each stage joined along their outputs."""
        result = super().ours(state)
        for layer in self.layers:
            for kind in ("weight", "bias"):
                parts = [state[f"projector{layer}.{head}.{kind}"] for head in range(self.heads)]
                result[f"aux.layer{layer}.{kind}"] = torch.cat([torch.as_tensor(part) for part in parts])
        return result

    def official(self, state: Any, prefix: str = "") -> dict[str, Tensor]:
        """The trunk renamed, the heads of each stage taken apart."""
        result = super().official(state, prefix)
        for layer in self.layers:
            for kind in ("weight", "bias"):
                joined = state[f"aux.layer{layer}.{kind}"].detach().clone()
                for head, part in enumerate(joined.chunk(self.heads)):
                    result[f"{prefix}projector{layer}.{head}.{kind}"] = part
        return result


@answers("CIFAR/utils/utils.py: adapt_batch, Entropy", "CIFAR/utils/utils.py: adapt_batch (three projectors")
def official_loss(case: Case) -> Answer:
    """The CIFAR code's loss, its two terms and its gradient."""
    return _loss(case, OFFICIAL, "out/entropy", "out/kl")


@answers("paper Eq. 2")
def paper_loss(case: Case) -> Answer:
    """The paper's mutual information."""
    answer = _loss(case, {}, "out/cond_entropy", "out/marg_entropy")
    return answer | {"out/marg_entropy": -answer["out/marg_entropy"]}


@answers("visdaC/utils/utils.py: adapt_batch")
def visda_loss(case: Case) -> Answer:
    """The VisDA code's loss."""
    return _loss(case, {"layout": "official", "marginal": "visda"}, "out/entropy", "out/kl")


def _loss(case: Case, options: dict[str, str], conditional: str, balance: str) -> dict[str, Tensor]:
    method = plugin("clust3").ClusT3(**options)
    maps = {name: torch.as_tensor(array).requires_grad_() for name, array in case.below("in/").items()}
    terms = [method.terms(scores) for scores in maps.values()]
    loss = torch.stack([term for pair in terms for term in pair]).sum()
    gradients = torch.autograd.grad(loss, list(maps.values()))
    answer = {f"out/grad_{name}": gradient for name, gradient in zip(maps, gradients, strict=True)}
    return answer | {"out/loss": loss, conditional: terms[0][0], balance: terms[0][1]}


@answers("CIFAR/utils/utils.py: adapt_batch + official ResNet")
def adaptation(case: Case) -> Answer:
    """Three updates on one batch, then predictions."""
    params = case.params
    options = {"stages": "+".join(map(str, params["layers"])), "heads": params["heads"], "clusters": params["K"]}
    method = plugin("clust3").ClusT3(**options, **OFFICIAL)
    names = HeadNames(params["layers"], params["heads"])
    model = _model(case, method, names)
    adapter = Adapter(model, method, OptimizerSpec("adam", lr=params["lr"]))
    images = torch.as_tensor(case.arrays["in/x"])
    answer = run_updates(adapter, [images] * params["steps_per_batch"], names)
    return answer | {"out/logits_after3_evalmode": adapter.predict(images)["class"]}


@answers("CIFAR/training.py: train")
def joint_step(case: Case) -> Answer:
    """One joint source step on classification and clustering."""
    params = case.params
    layers = sorted({int(key[len("projector")]) for key in case.below("w0/") if key.startswith("projector")})
    options = {"stages": "+".join(map(str, layers)), "heads": params["heads"], "clusters": params["K"]}
    method = plugin("clust3").ClusT3(**options, **OFFICIAL, weight=params["lbd"])
    names = HeadNames(layers, params["heads"])
    model = _model(case, method, names).train()
    spec = OptimizerSpec("sgd", lr=params["lr"], momentum=params["momentum"], weight_decay=params["weight_decay"])
    optimizer = build_optimizer(spec, model.parameters())
    batch, loss = source_batch(
        model.network, torch.as_tensor(case.arrays["in/x"]), torch.as_tensor(case.arrays["in/labels"])
    )
    loss = loss + method.source_loss(model, batch, torch.Generator())
    loss.backward()
    optimizer.step()
    return {"out/loss": loss, **names.official(model.state_dict(), "s1/")}


def _model(case: Case, method: Any, names: Names) -> Model:
    network = TinyTrunk()
    model = Model(network, method.auxiliary(network))
    model.load_state_dict(names.ours(case.below("w0/")))
    return model
