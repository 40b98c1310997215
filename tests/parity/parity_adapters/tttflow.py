"""TTTFlow's reference cases."""

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
from ttt_bench.toolbox.flow import MASKS, ActNorm, RealNVP, checkerboard, negative_log_likelihood


def _flow_names(blocks: int) -> dict[str, str]:
    """Official names of the flow -> ours."""
    rules: dict[str, str] = {}
    for i in range(2 * len(MASKS) - 1):
        at, net = f"transforms.{i}.", f"transforms.{i}.net."
        rules |= {at: at, f"{net}in_block.conv.": f"{net}stem."}
        rules |= {f"{net}out_block.0.": f"{net}out.0.", f"{net}out_block.2.conv.": f"{net}out.2."}
        for k in range(blocks):
            theirs, ours = f"{net}core_block.{k}.", f"{net}blocks.{k}.body."
            rules |= {f"{theirs}in_block.0.": f"{ours}0."}
            # Theirs: [bn, relu], [conv, bn, relu, conv, bn, relu, conv]; ours in one sequence.
            for j in range(7):
                conv = "conv." if j % 3 == 0 else ""
                rules[f"{theirs}block.{j}.{conv}"] = f"{ours}{j + 2}."
    return rules


def _names(blocks: int) -> Names:
    """Names of a whole ``Model``."""
    flow = {f"head.0.{theirs}": f"aux.{ours}" for theirs, ours in _flow_names(blocks).items()}
    return Names(trunk_names("net.") | flow)


def _load(module: torch.nn.Module, state: dict[str, Tensor], initialized: bool) -> None:
    """Load a state without ActNorm's flags (the official one is no buffer), then set them."""
    flags = {key: torch.tensor(initialized) for key in module.state_dict() if key.endswith(".initialized")}
    module.load_state_dict(state | flags)


@answers("utils/misc.py: neg_log_likelihood_2d")
def likelihood(case: Case) -> Answer:
    """The loss of given latents and log-determinants."""
    z, log_det = (torch.as_tensor(case.arrays[f"in/{name}"]).requires_grad_() for name in ("z", "log_det"))
    nll = negative_log_likelihood(z, log_det)
    grad_z, grad_log_det = torch.autograd.grad(nll, (z, log_det))
    return {"out/nll": nll, "out/grad_z": grad_z, "out/grad_log_det": grad_log_det}


@answers("models/realnvp.py: ActNorm")
def first_batch(case: Case) -> Answer:
    """What ActNorm makes of its first batch."""
    maps = torch.as_tensor(case.arrays["in/x"])
    norm = ActNorm(maps.shape[1], rescale_shift=False)
    y, log_det = norm(maps)
    return {"out/y": y, "out/log_det": log_det, "out/log_scale": norm.log_scale, "out/shift": norm.shift}


@answers("models/realnvp.py: RealNVP")
def flow(case: Case) -> Answer:
    """The whole flow at given weights: latents, log-determinant, loss, gradient, masks."""
    params = case.params
    maps = torch.as_tensor(case.arrays["in/x"]).requires_grad_()
    assert tuple(params["masks"]) == MASKS, "the masks of this flow are fixed"
    model = RealNVP(params["C"], params["C"], params["res_blocks"], rescale_shift=False)
    _load(model, Names(_flow_names(params["res_blocks"])).ours(case.below("w0/")), initialized=True)
    model.train({"train": True, "eval": False}[params["bn_mode"]])
    z, log_det = model(maps)
    nll = negative_log_likelihood(z, log_det)
    height, width = maps.shape[-2:]
    return {
        "out/z": z,
        "out/log_det": log_det,
        "out/nll": nll,
        "out/grad_x": torch.autograd.grad(nll, maps)[0],
        "out/mask_config0": checkerboard(height, width, 0),
        "out/mask_config1": checkerboard(height, width, 1),
    }


@answers("main.py: experiment (train_setting='pre+flow'")
def source_training(case: Case) -> Answer:
    """The flow's steps on the frozen encoder, a new batch each; ActNorm starts from the first."""
    method, model, names = _model(case, initialized=False)
    model.network.eval().requires_grad_(False)
    model.aux.train()
    optimizer = build_optimizer(_optimizer(case), model.aux.parameters())
    answer: dict[str, Tensor] = {}
    for step, (_, images) in enumerate(sorted(case.below("in/").items())):
        batch, _ = source_batch(model.network, torch.as_tensor(images))
        loss = method.source_loss(model, batch, torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        answer |= {f"out/loss_step{step}": loss, **names.official(model.state_dict(), f"s{step + 1}/")}
    return answer


@answers("test_calls/test_adapt.py: adapt_batch")
def adaptation(case: Case) -> Answer:
    """Three updates on one batch, then predictions."""
    method, model, names = _model(case, initialized=True)
    adapter = Adapter(model, method, _optimizer(case))
    images = torch.as_tensor(case.arrays["in/x"])
    answer = run_updates(adapter, [images] * 3, names)
    return answer | {"out/logits_after3_evalmode": adapter.predict(images)["class"]}


def _optimizer(case: Case) -> OptimizerSpec:
    params = case.params
    return OptimizerSpec("sgd", lr=params["lr"], momentum=params["momentum"], weight_decay=params["weight_decay"])


def _model(case: Case, initialized: bool) -> tuple[Any, Model, Names]:
    blocks = case.params["res_blocks"]
    method = plugin("tttflow").TTTFlow(stage=case.params["layer"], blocks=blocks, actnorm="official")
    network, names = TinyTrunk(), _names(blocks)
    model = Model(network, method.auxiliary(network))
    _load(model, names.ours(case.below("w0/")), initialized)
    return method, model, names
