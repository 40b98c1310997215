"""TENT: the entropy function and whole adaptation runs."""

from __future__ import annotations

import torch
from torch import nn

from parity_adapters.replay import gradient, numbered, optimizer_spec, tensor
from parity_adapters.tiny import official_state, prefixed, tiny_network
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.outputs import entropy as entropy_of


@answers("tent.softmax_entropy")
def entropy(case: Case) -> Answer:
    """Entropy per sample or pixel, its mean, and the gradient."""
    logits = tensor(case, "logits", grad=True)
    values = entropy_of(logits)
    loss = values.mean()
    return {"entropy": values, "loss": loss, "grad_logits": gradient(loss, logits)}


@answers("configure_model + collect_params + Tent.forward")
def adaptation(case: Case) -> Answer:
    """Batches in turn. The official output is the last forward before the last update."""
    network = tiny_network(str(case.entry["arch"]), case.below("w0/"))
    spec = optimizer_spec(case.params["optimizer"])
    adapter = Adapter(Model(network, nn.Module()), create("tent"), spec)
    answer: dict[str, torch.Tensor] = {}
    for index, images in enumerate(numbered(case, "x")):
        if case.params["episodic"]:
            adapter.reset()
        for _ in range(int(case.params["steps_per_batch"])):
            answer[f"out_batch{index}"] = adapter.predict(images)["semseg"]
            adapter.update(images)
        answer |= prefixed(f"after_batch{index}/", official_state(network))
        answer |= prefixed(f"after_batch{index}/pred/", adapter.predict(images))
    return answer
