"""TIPI: the divergence and whole adaptation runs, with the official norm conversion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from parity_adapters.plugin import plugin
from parity_adapters.replay import gradient, numbered, optimizer_spec, replay, tensor
from parity_adapters.tiny import official_state, prefixed, tiny_network
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Method, Model
from ttt_bench.method.registry import create
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers


@answers("KL(clean.detach(), adv, reverse)")
def divergence(case: Case) -> Answer:
    """KL per sample or pixel, its mean, and the gradient of the perturbed side."""
    attacked = tensor(case, "logits_adv", grad=True)
    values = plugin("tipi").kl_divergence(tensor(case, "logits_clean"), attacked, case.params["reverse"])
    loss = values.mean()
    return {"kl": values, "loss": loss, "grad_adv": gradient(loss, attacked)}


@answers("TIPI.forward")
def adaptation(case: Case) -> Answer:
    """Batches in turn: one update, then the prediction."""
    if case.params["large_batch_threshold"] != plugin("tipi").THRESHOLD:
        raise ValueError("the benchmark's threshold for large batches is another one")
    method = _method(case)
    noise = iter(numbered(case, "noise"))
    attacks: list[tuple[Tensor, Tensor]] = []
    if method.random_start:
        replay(method, noise=lambda images, rng: next(noise))
    replay(method, attack=_recorded(method.attack, attacks))
    network = tiny_network(str(case.entry["arch"]), case.below("w0/"))
    adapter = Adapter(Model(network, nn.Module()), method, _optimizer(case))
    answer: dict[str, Tensor] = {}
    for index, images in enumerate(numbered(case, "x")):
        adapter.update(images)
        answer[f"x_adv_batch{index}"], answer[f"grad_delta_batch{index}"] = attacks[-1]
        answer[f"out_batch{index}"] = adapter.predict(images)["semseg"]
        answer |= prefixed(f"after_batch{index}/", dict(_named_as_published(official_state(network))))
    return answer


def _method(case: Case) -> Any:
    params = case.params
    method: Method = create(
        "tipi",
        {
            "epsilon": params["epsilon"],
            "tent_coeff": params["tent_coeff"],
            "reverse": params["reverse_kl"],
            "random_start": params["random_init_adv"],
            "invariance": "classes",
            # The published class, accidents included.
            "skip_sequential": True,
            "large_batch": "official" if params["use_test_bn_with_large_batches"] else "running",
        },
    )
    return method


def _optimizer(case: Case) -> Any:
    name = str(case.params["optim"])
    momentum = {"momentum": 0.9} if name == "SGD" else {}
    return optimizer_spec({"name": name, "lr_per_sample": case.params["lr_per_sample"], **momentum})


def _recorded(attack: Any, log: list[tuple[Tensor, Tensor]]) -> Any:
    def recorded(model: Model, images: Tensor, rng: torch.Generator) -> Any:
        perturbed, clean, slope = attack(model, images, rng)
        log.append((perturbed.detach(), slope.detach()))
        return perturbed, clean, slope

    return recorded


def _named_as_published(state: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """``bn.main.weight`` -> ``bn.weight``; ``bn.adv.running_var`` -> ``bn.BNs.adv.running_var``."""
    for name, value in state.items():
        match = re.fullmatch(r"(.+)\.(main|adv)\.(\w+)", name)
        if match is None:
            yield name, value
        elif match[3] in ("weight", "bias"):
            yield f"{match[1]}.{match[3]}", value
        else:
            yield f"{match[1]}.BNs.{match[2]}.{match[3]}", value
