"""TTT: rotations, joint source training and adaptation, with the published head (a copy of the last stage)."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from parity_adapters.plugin import plugin
from parity_adapters.replay import gradient, numbered, optimizer_spec, replay, tensor
from parity_adapters.tiny import TinyNetwork, load, official_state, prefixed, tiny_network
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.tasks import get_task

HEAD_NAMES = {"stage.0.": "0.", "stage.1.": "1.", "linear.": "5."}
"""Our head's names -> their places in the official Sequential (stage, norm, ReLU, pool, flatten, linear)."""


@answers("rotate_batch_with_labels")
def rotation(case: Case) -> Answer:
    """Each image turned by its label."""
    return {"rotated": plugin("ttt").rotate(tensor(case, "x"), tensor(case, "labels"))}


@answers("rotate_batch(x,'expand')")
def expansion(case: Case) -> Answer:
    """All turns of all images."""
    rotated, labels = plugin("ttt").all_rotations(tensor(case, "x"))
    return {"rotated": rotated, "labels": labels}


@answers("CrossEntropyLoss (mean) on 4-way logits")
def cross_entropy(case: Case) -> Answer:
    """The rotation loss and its gradient."""
    logits = tensor(case, "logits", grad=True)
    loss = plugin("ttt").rotation_loss(logits, tensor(case, "labels"))
    return {"loss": loss, "grad_logits": gradient(loss, logits)}


@answers("main.py joint training loop")
def joint_training(case: Case) -> Answer:
    """Main loss on the clean forward, then the method's source loss, one optimiser over both."""
    method = create("ttt", {"head": "stage", "source_rotations": "expand"})
    replay(method, crops=lambda _, images, count, rng: images)
    model, network = _model(case, method)
    optimizer = build_optimizer(optimizer_spec(case.params["optimizer"]), model.parameters())
    model.train()
    answer = _state(model, network, "w0")
    for step, (images, labels) in enumerate(zip(numbered(case, "x"), numbered(case, "y"), strict=True), 1):
        levels = network.features(images)
        predictions = network.predict(levels, (images.shape[-2], images.shape[-1]))
        batch = SourceBatch(images, {"semseg": labels}, levels, predictions)
        loss = get_task("semseg").loss(predictions["semseg"], labels)
        loss = loss + method.source_loss(model, batch, torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        answer |= _state(model, network, f"after{step}")
    return answer


@answers("adapt_single")
def adaptation(case: Case) -> Answer:
    """One update per stored set of views, with the stored labels; then the prediction."""
    labels = iter(tensor(case, "rot_labels"))
    options = {
        "head": "stage",
        "update_head": _flag(case, "updated", "ext + head", "ext only"),
        "train_mode": _flag(case, "mode", "train", "eval"),
    }
    method = create("ttt", options)
    replay(method, crops=lambda _, images, count, rng: images, draw_labels=lambda count, rng: next(labels))
    model, network = _model(case, method)
    adapter = Adapter(model, method, optimizer_spec(case.params["optimizer"]))
    views = numbered(case, "views")
    answer = _state(model, network, "w0")
    losses = []
    for step, images in enumerate(views, 1):
        losses.append(adapter.update(images))
        answer |= _state(model, network, f"after{step}")
        answer[f"net_out_after{step}"] = adapter.predict(views[0])["semseg"]
    return {**answer, "losses": torch.stack([loss for loss in losses if loss is not None])}


def _flag(case: Case, setting: str, on: str, off: str) -> bool:
    value = case.params[setting]
    if value not in (on, off):
        raise ValueError(f"{setting} is {value!r}, neither {on!r} nor {off!r}")
    return bool(value == on)


def _model(case: Case, method: Method) -> tuple[Model, TinyNetwork]:
    network = tiny_network(str(case.entry["arch"]), case.below("net_w0/"))
    aux = method.auxiliary(network)
    official = {theirs: ours for ours, theirs in HEAD_NAMES.items()}
    state = {
        re.sub(r"^\d+\.", lambda match: official[match[0]], name): value
        for name, value in case.below("head_w0/").items()
    }
    load(aux, state)
    return Model(network, aux), network


def _state(model: Model, network: TinyNetwork, moment: str) -> dict[str, Tensor]:
    head = {}
    for name, value in model.aux.state_dict().items():
        ours = next(ours for ours in HEAD_NAMES if name.startswith(ours))
        head[HEAD_NAMES[ours] + name[len(ours) :]] = value
    return prefixed(f"net_{moment}/", official_state(network)) | prefixed(f"head_{moment}/", head)
