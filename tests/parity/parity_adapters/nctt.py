"""NC-TTT's reference cases."""

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

HEAD_NAMES = {
    "projector.layers.0fc.": "projector.",
    "discriminator.body.block1.0.": "first.",
    "discriminator.body.block1.1.": "rest.0.",
    "discriminator.tail.": "rest.2.",
}
HEAD = Names(HEAD_NAMES)
WHOLE = Names(trunk_names("net.") | {f"head.{a}": f"aux.{b}" for a, b in HEAD_NAMES.items()})


@answers("models/simplenet.py: SimpleNet.forward(train=True)")
def dense_training(case: Case) -> Answer:
    """The source-time loss of the dense head for given noise."""
    features = torch.as_tensor(case.arrays["in/feat"]).requires_grad_()
    method, model = _head(case, features.shape[1], noise="official")
    return _contrast(case, method, model, features, _drawn_dense)


@answers("models/simplenet_cifar.py: SimpleNet.forward(train=True)")
def flat_training(case: Case) -> Answer:
    """The source-time loss of the flat head for given noise."""
    features = torch.as_tensor(case.arrays["in/feat"]).requires_grad_()
    options = {"head": "flat", "side": case.params["spatial"]}
    method, model = _head(case, features.shape[1], noise="official", **options)
    return _contrast(case, method, model, features, _drawn_flat)


@answers("models/simplenet.py: SimpleNet.forward(train=False)")
def dense_test(case: Case) -> Answer:
    """The test-time loss at given features."""
    features = torch.as_tensor(case.arrays["in/feat"]).requires_grad_()
    method, model = _head(case, features.shape[1])
    loss = method.denoising_loss(model, features)
    return {"out/loss": loss, "out/grad_feat": torch.autograd.grad(loss, features)[0]}


@answers("utils/utils.py: adapt_batch + create_model.ExtractorHead")
def adaptation(case: Case) -> Answer:
    """Three updates on one batch, then predictions."""
    params = case.params
    method = plugin("nctt").NCTTT(
        stage=params["layer"],
        embed=params["embed"],
        hidden=params["hidden"],
    )
    model = _trunk(case, method)
    recipe = OptimizerSpec(params["optimizer"].lower(), lr=params["lr"], momentum=params["momentum"])
    adapter = Adapter(model, method, recipe)
    images = torch.as_tensor(case.arrays["in/x"])
    answer = run_updates(adapter, [images] * 3, WHOLE)
    return answer | {"out/logits_after3_evalmode": adapter.predict(images)["class"]}


@answers("joint_training.py: train")
def joint_step(case: Case) -> Answer:
    """One joint source step on classification and noise contrast, for given noise."""
    params = case.params
    hidden, embed = case.arrays["w0/head.discriminator.body.block1.0.weight"].shape[:2]
    method = plugin("nctt").NCTTT(
        embed=int(embed), hidden=int(hidden), std1=params["std1"], std2=params["std2"], weight=params["weight"]
    )
    model = _trunk(case, method).train()
    spec = OptimizerSpec("sgd", lr=params["lr"], momentum=params["momentum"], weight_decay=params["weight_decay"])
    optimizer = build_optimizer(spec, model.parameters())
    batch, loss = source_batch(
        model.network, torch.as_tensor(case.arrays["in/x"]), torch.as_tensor(case.arrays["in/labels"])
    )
    noise = {name: torch.as_tensor(array) for name, array in case.below("noise/").items()}
    features = batch.features[method.stage - 1]
    result = method.contrast(model, features, noise.get("n1_effective"), noise["n2_effective"])
    loss = loss + method.weight * result.loss
    loss.backward()
    optimizer.step()
    return {"out/loss": loss, "out/labels": result.labels, **WHOLE.official(model.state_dict(), "s1/")}


def _contrast(case: Case, method: Any, model: Model, features: Tensor, drawn: Any) -> Answer:
    shape = (features.shape[0], method.embed, *features.shape[2:])
    noise = {
        name.removesuffix("_raw"): method.spread(drawn(torch.as_tensor(array), shape))
        for name, array in case.below("noise/").items()
        if name.endswith("_raw")
    }
    result = method.contrast(model, features, noise.get("n1"), noise["n2"])
    named = dict(model.aux.named_parameters())
    gradients = torch.autograd.grad(result.loss, [features, *named.values()])
    return {
        "out/loss": result.loss,
        "out/labels": result.labels,
        "out/scores": result.scores.sigmoid(),
        "out/grad_feat": gradients[0],
        **HEAD.official(dict(zip(named, gradients[1:], strict=True)), "out/grad_"),
    }


def _drawn_dense(raw: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Independent draws in the official memory order -> (N, E, H, W)."""
    samples, embed, height, width = shape
    return raw.reshape(samples, width, embed, height).permute(0, 2, 3, 1)


def _drawn_flat(raw: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    return raw.reshape(shape)


def _head(case: Case, channels: int, **options: Any) -> tuple[Any, Model]:
    params = case.params
    stds = {key: params[key] for key in ("std1", "std2") if key in params}
    method = plugin("nctt").NCTTT(embed=params["embed"], hidden=params["hidden"], **stds, **options)
    network = TinyTrunk()
    network.encoder.channels = (channels,)
    model = Model(network, method.auxiliary(network))
    model.aux.load_state_dict(HEAD.ours(case.below("w0/")))
    modes: dict[str, bool] = {"train": True, "eval": False}
    model.aux.train(modes[params["bn_mode"]])
    return method, model


def _trunk(case: Case, method: Any) -> Model:
    network = TinyTrunk()
    model = Model(network, method.auxiliary(network))
    model.load_state_dict(WHOLE.ours(case.below("w0/")))
    return model
