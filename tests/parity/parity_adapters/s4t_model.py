"""The whole of S4T: forward passes and adaptation, through the adapter that the benchmark runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from parity_adapters.s4t_common import OURS, s4t, taskonomy, tensor
from parity_adapters.s4t_mae import learned
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.networks.multitask import LinearHead, MultiTask
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.mae.masking import Mask
from ttt_bench.toolbox.mae.positions import sincos_table

WIDTHS = (6, 8, 12, 16, 24)
"""Stem and stages of the reference cases' backbone."""

PREFIXES = {
    "backbone.": "network.encoder.",
    "heads.": "network.heads.",
    "joint_dec.": "aux.tbs.",
    "ts_comp.": "aux.project.",
    "aux_heads.": "aux.aux_heads.",
}
"""Where the release's parameters live in our model."""


class TinyEncoder(nn.Module):
    """A stem and four stages of convolution, batch norm and ReLU, each of stride 2."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        pairs = list(zip((3, *WIDTHS), WIDTHS, strict=False))
        self.stem = _stage(*pairs[0])
        self.stages = nn.ModuleList(_stage(*pair) for pair in pairs[1:])
        self.channels = WIDTHS[1:]

    def forward(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> the maps of the first ``last`` stages."""
        x, levels = self.stem(images), []
        for stage in self.stages[:last]:
            x = stage(x)
            levels.append(x)
        return levels


def _stage(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


class TinyNetwork(MultiTask):
    """The benchmark's network on the reference cases' backbone."""

    def __init__(self, outputs: dict[str, int]) -> None:
        Network.__init__(self, NetworkConfig(), outputs)
        self.encoder = TinyEncoder()  # type: ignore[assignment]
        self.heads = nn.ModuleDict({task: LinearHead(WIDTHS[1:], width, 0) for task, width in outputs.items()})


def _method(case: Case) -> Any:
    """S4T with the case's sizes, whose masks come from the case and whose errors are kept."""
    p = case.params
    sizes = {
        "slice_width": p["head_inter_channel"], "patch": p["patch"], "width": p["embed"], "depth": p["depth"],
        "heads": p["heads"], "decoder_width": p["dec_embed"], "decoder_depth": p["dec_depth"],
        "decoder_heads": p["dec_heads"], "tbs_size": p["TTT_input_res"], "mask_ratio": p["mask_ratio"],
    }  # fmt: skip
    return s4t(case, **sizes) if "loss_weights" in p else create("s4t", sizes)


def _build(case: Case, method: Any) -> Model:
    names = case.params["tasks"]
    network = TinyNetwork({OURS[t]: n for t, n in zip(names, case.params["num_output"], strict=True)})
    model = Model(network, method.auxiliary(network))
    state = {_our_name(name): torch.from_numpy(value) for name, value in case.below("w_").items()}
    model.load_state_dict(learned(state))
    return model


def _our_name(name: str) -> str:
    """``heads.normals.linear_pred.bias`` -> ``network.heads.normal.reduce.bias``."""
    prefix = max((p for p in PREFIXES if name.startswith(p)), key=len)
    parts = (PREFIXES[prefix] + name[len(prefix) :]).split(".")
    head = {"network.heads": "reduce", "aux.aux_heads": ""}.get(".".join(parts[:2]))
    if head is not None:
        parts[2:4] = [OURS[parts[2]], head]
    return ".".join(part for part in parts if part)


def _their_state(case: Case, model: Model) -> dict[str, Tensor]:
    """Our state under the names of the case's weights."""
    state = model.state_dict()
    tables = {
        "joint_dec.pos_embed": case.params["embed"],
        "joint_dec.decoder_pos_embed": case.params["dec_embed"],
    }
    side = case.params["TTT_input_res"] // case.params["patch"]
    fixed = {name: sincos_table(width, (side, side)).unsqueeze(0) for name, width in tables.items()}
    return {n: fixed[n] if n in fixed else state[_our_name(n)].clone() for n in case.below("w_")}


def _outputs(method: Any, model: Model, images: Tensor, mask: Mask) -> dict[str, Predictions]:
    """Main heads, TBS and auxiliary heads."""
    size = (images.shape[-2], images.shape[-1])
    features = model.network.features(images)
    aux: Any = model.aux
    slices = aux.slices(features, size)
    return {
        "main": model.network.predict(features, size),
        "tbs": aux.reconstruct(slices, mask, method.square(size), size),
        "aux": aux.predict(slices, size),
    }


def _mask(method: Any, model: Model, noise: Tensor) -> Mask:
    mask: Mask = method.masking(len(model.network.tasks)).mask(noise, noise.shape[1])
    return mask


@answers("models.TTT_MT.S4T_MAE_v4.forward")
@torch.no_grad()
def _forward(case: Case) -> Answer:
    method = _method(case)
    model = _build(case, method)
    answer: dict[str, Tensor] = {}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        outputs = _outputs(method, model, tensor(case, "in_x"), _mask(method, model, tensor(case, "in_noise")))
        for kind, predictions in outputs.items():
            answer |= {f"exp_{mode}_{kind}_{t}": predictions[OURS[t]] for t in case.params["tasks"]}
    return answer | {f"exp_buf__{name}": value for name, value in _their_state(case, model).items()}


@answers("utils.train_utils.train_phase_S4T_ttt")
def _adapt(case: Case) -> Answer:
    params, images = case.params, tensor(case, "in_x")
    errors: list[dict[str, Tensor]] = []
    method = _replaying(_method(case), iter(tensor(case, "in_noises")), errors)
    spec = OptimizerSpec("sgd", lr=params["lr"], momentum=params["momentum"], weight_decay=params["weight_decay"])
    adapter = Adapter(_build(case, method), method, spec)
    totals, grads = [], {}
    for step in range(params["steps"]):
        loss = adapter.update(images)
        assert loss is not None
        totals.append(loss)
        if step == 0:
            grads = {n: p.grad.clone() for n, p in adapter.model.named_parameters() if p.grad is not None}
    answer = {f"exp_after__{name}": value for name, value in _their_state(case, adapter.model).items()}
    theirs = {_our_name(name): name for name in case.below("w_") if not name.endswith("pos_embed")}
    answer |= {f"exp_grad1__{theirs[name]}": grad for name, grad in grads.items() if name in theirs}
    answer |= {"exp_total": torch.stack(totals), "exp_per_task": torch.stack([_logged(case, e) for e in errors])}
    if taskonomy(params["tasks"]):
        answer["exp_sigma_after"] = adapter.model.aux.get_parameter("sigma")
    main = adapter.predict(images)
    with torch.no_grad():
        mask = _mask(method, adapter.model, tensor(case, "in_final_noise"))
        tbs = _outputs(method, adapter.model, images, mask)["tbs"]
    for name in params["tasks"]:
        answer |= {f"exp_final_main_{name}": main[OURS[name]], f"exp_final_tbs_{name}": tbs[OURS[name]]}
    return answer


def _logged(case: Case, errors: dict[str, Tensor]) -> Tensor:
    """The errors with the factors that the release logs them with."""
    weights = case.params["loss_weights"]
    factor = {t: weights["TTT_loss"] if taskonomy(case.params["tasks"]) else weights[t] for t in case.params["tasks"]}
    return torch.stack([factor[t] * errors[OURS[t]].detach() for t in case.params["tasks"]])


def _replaying(method: Any, noises: Iterator[Tensor], log: list[dict[str, Tensor]]) -> Any:
    """``method`` with published mask noise in place of its draw, and with its errors noted on the way."""

    class Replaying(type(method)):  # type: ignore[misc]
        def mask_noise(self, *_: object) -> Tensor:
            return next(noises)

        def errors(self, *args: Any) -> dict[str, Tensor]:
            found: dict[str, Tensor] = super().errors(*args)
            log.append(found)
            return found

    return Replaying(**vars(method))
