"""TTT++: the losses, the offline summary, the queue, and whole runs of the published schedule."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from parity_adapters.plugin import plugin
from parity_adapters.replay import gradient, numbered, optimizer_spec, replay, tensor
from parity_adapters.tiny import (
    TinyNetwork,
    linear,
    load,
    official_state,
    prefixed,
    tiny_network,
)
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Method, Model
from ttt_bench.method.registry import create
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers


@answers("SupConLoss()")
def contrastive(case: Case) -> Answer:
    """NT-Xent and its gradient."""
    if case.params["base_temperature"] != plugin("tttpp").BASE_TEMPERATURE:
        raise ValueError("the benchmark's base temperature is another one")
    features = tensor(case, "features", grad=True)
    loss = plugin("tttpp").nt_xent(features, case.params["temperature"])
    return {"loss": loss, "grad_features": gradient(loss, features)}


@answers("covariance, coral, linear_mmd")
def moments(case: Case) -> Answer:
    """Moments of both sides, their distances, and the gradients on the target side."""
    module = plugin("tttpp")
    source, target = tensor(case, "feat_src"), tensor(case, "feat_tgt", grad=True)
    spreads, centres = [module.covariance(f) for f in (source, target)], [source.mean(0), target.mean(0)]
    coral, mmd = module.coral(*spreads), module.linear_mmd(*centres)
    return {
        "cov_src": spreads[0], "cov_tgt": spreads[1], "mu_src": centres[0], "mu_tgt": centres[1],
        "coral": coral, "mmd": mmd,
        "grad_coral": gradient(coral, target), "grad_mmd": gradient(mmd, target),
    }  # fmt: skip


@answers("FeatureQueue get -> update -> cat")
def queue(case: Case) -> Answer:
    """The rows that moments are computed on, batch after batch, with the official aliasing."""
    length, batch, width = (int(case.params[name]) for name in ("length", "batch", "dim"))
    rows = plugin("tttpp").FeatureQueue(length + batch, width)
    used = (rows.join(features, aliasing=True) for features in numbered(case, "feat"))
    return {f"used{index}": samples.clone() for index, samples in enumerate(used)}


@answers("offline()")
def summary(case: Case) -> Answer:
    """The source moments of the pooled features."""
    method = create("tttpp", {"queue": 0})
    model, _ = _model(case, method)
    bank: Any = model.aux.bank
    names = {"cov": "covariance", "mu": "mean", "coral_mean": "coral_mean", "mmd_mean": "mmd_mean"}
    return {theirs: bank[f"ext_{ours}"] for theirs, ours in names.items()}


@answers("ttt++.py main loop")
def adaptation(case: Case) -> Answer:
    """The published loop: warm-up, contrastive steps, then contrastive and alignment steps."""
    views = list(zip(numbered(case, "view1_"), numbered(case, "view2_"), strict=True))
    targets = numbered(case, "align")
    options = _options(case, bool(views), bool(targets))
    method = create("tttpp", options)
    current: list[tuple[Tensor, Tensor]] = []
    replay(method, two_views=lambda *_: current[-1])
    model, network = _model(case, method)
    adapter = Adapter(model, method, optimizer_spec(case.params["optimizer"]))
    answer = _state(model, network, "w0")
    before = options["warmup"] + options["delay"]
    for index in range(before + _last_step(case) - options["delay"]):
        if views:
            current.append(views[min(index, len(views) - 1)])
        aligning = bool(targets) and index >= before
        adapter.update(targets[index - before] if aligning else current[-1][0])
        answer |= _state(model, network, f"after{index + 1 - options['warmup']}")
    return answer


def _options(case: Case, contrast: bool, align: bool) -> dict[str, Any]:
    params = case.params
    queue_size = re.search(r"queue_size (\d+)", params["queue"])
    if params["mmd_factor"] != plugin("tttpp").MEAN_FACTOR:
        raise ValueError("the benchmark's weight of the mean term is another one")
    warmup = re.search(r"bnepoch=(\d+)", params["schedule"])
    return {
        "parts": "both" if contrast and align else "ssl" if contrast else "align",
        "queue": int(queue_size[1]) if queue_size else 0,
        "temperature": params["temperature"],
        "scale_ext": params["scale_ext"],
        "scale_ssh": params["scale_ssh"],
        "update_head": params["updated"].startswith("ext + head"),
        "warmup": int(warmup[1]) if warmup else 0,
        # The official loop switches alignment on at the end of the first epoch after the warm-up, here of
        # one batch; where there is nothing but alignment it is on from the start.
        "delay": 1 if contrast and align else 0,
        "queue_aliasing": True,
        "align_early": True,
    }


def _last_step(case: Case) -> int:
    """The last optimiser step that the case stores."""
    return max(int(match[1]) for name in case.arrays if (match := re.match(r"ext_after(\d+)/", name)))


def _model(case: Case, method: Method) -> tuple[Model, TinyNetwork]:
    network = tiny_network(str(case.entry["arch"]), case.below("ext_w0/"))
    aux: Any = method.auxiliary(network)
    state = case.below("head_w0/")
    aux.head[0], aux.head[2] = linear(state["0.weight"]), linear(state["2.weight"])
    load(aux.head, state)
    model = Model(network, aux).eval()
    with torch.no_grad():
        method.source_statistics(model, numbered(case, "src"), torch.Generator())
    return model, network


def _state(model: Model, network: TinyNetwork, moment: str) -> dict[str, Tensor]:
    aux: Any = model.aux
    ours = official_state(network)
    return prefixed(f"ext_{moment}/", ours) | prefixed(f"head_{moment}/", aux.head.state_dict())
