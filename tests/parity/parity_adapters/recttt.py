"""ReC-TTT's reference cases: losses, bottleneck and decoder, the whole model, source step and adaptation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck as Residual

from parity_adapters.replay import gradient, numbered, optimizer_spec, tensor
from parity_adapters.tiny_trunks import TinyEncoder
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network, Predictions
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import Answer, answers
from ttt_bench.toolbox.cosine import map_distance, mutual_divergence
from ttt_bench.toolbox.reconstruction import Bottleneck, Decoder

LEVELS = 3
NAMES = {
    "encoder.": "aux.first.encoder.",
    "encoder2.": "aux.second.encoder.",
    "encoder_freeze.": "network.encoder.",
    "classifier.fc.": "aux.first.heads.",
    "classifier2.fc.": "aux.second.heads.",
    "bottleneck.bn_layer.": "aux.bottleneck.blocks.",
    "bottleneck.conv1.": "aux.bottleneck.first.0.",
    "bottleneck.bn1.": "aux.bottleneck.first.1.",
    "bottleneck.conv2.": "aux.bottleneck.first.3.",
    "bottleneck.bn2.": "aux.bottleneck.first.4.",
    "bottleneck.conv3.": "aux.bottleneck.second.0.",
    "bottleneck.bn3.": "aux.bottleneck.second.1.",
    "decoder.layer1.": "aux.decoder.stages.0.",
    "decoder.layer2.": "aux.decoder.stages.1.",
    "decoder.layer3.": "aux.decoder.stages.2.",
}
"""Official prefixes -> ours. The decoder's output layers are ``out<level>.<set>`` there, ``outputs.<set>.<level>`` here."""
UNUSED = ("bottleneck.conv4.", "bottleneck.bn4.")


class ThinNetwork(Network):
    """The official ResNet with a stem without pooling and thin stages, and a linear classifier."""

    def __init__(self, arch: Mapping[str, Any], classes: int) -> None:
        super().__init__(NetworkConfig(), {"class": classes}, ("class",))
        outputs, inputs = arch["stage_outputs"], [arch["stem"], *arch["stage_outputs"]]
        stages = [
            _stage(before, width, after, count, 1 if index == 0 else 2)
            for index, (before, width, after, count) in enumerate(
                zip(inputs, arch["stage_widths"], outputs, arch["blocks"], strict=False)
            )
        ]
        self.encoder = TinyEncoder(stages, outputs)
        self.encoder.conv1, self.encoder.bn1 = (
            nn.Conv2d(3, arch["stem"], 3, padding=1, bias=False),
            nn.BatchNorm2d(arch["stem"]),
        )
        self.heads = nn.Linear(outputs[-1], classes)

    def features(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """As the benchmark's, channels outermost: thin strided convolutions are not safe otherwise."""
        levels: list[Tensor] = self.encoder(images, last)
        return levels

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Class logits (B, C)."""
        return {"class": self.heads(features[-1].mean((2, 3)))}


def _stage(inputs: int, width: int, outputs: int, count: int, stride: int) -> nn.Sequential:
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(
        Residual(inputs, width, stride, shortcut), *(Residual(outputs, width) for _ in range(count - 1))
    )


@answers("utils.py: global_cosine")
def distance(case: Case) -> Answer:
    """Value and gradients; with hard mining where the case has an alpha."""
    first, second = ([tensor(case, f"in_{side}{i}", grad=True) for i in range(LEVELS)] for side in "ab")
    targets = [level.detach() for level in first] if case.params.get("stop_grad", True) else first
    loss = map_distance(targets, second, case.params.get("alpha"))
    answer = {"exp_loss": loss}
    answer |= {f"exp_grad_a{i}": gradient(loss, level) for i, level in enumerate(first)}
    return answer | {f"exp_grad_b{i}": gradient(loss, level) for i, level in enumerate(second)}


@answers("train_recttt.py: loss_div")
def divergence(case: Case) -> Answer:
    """The mutual KL of two classifiers."""
    first, second = tensor(case, "in_logits1", grad=True), tensor(case, "in_logits2", grad=True)
    loss = mutual_divergence(first, second, case.params["axis"])
    return {
        "exp_loss": loss, "exp_grad_logits1": gradient(loss, first), "exp_grad_logits2": gradient(loss, second)
    }  # fmt: skip


@answers("models/resnet.py: BN_layer")
def code_and_back(case: Case) -> Answer:
    """Bottleneck, decoder and all output sets."""
    arch = case.params["arch"]
    maps = [tensor(case, f"in_feat{i}", grad=True) for i in range(LEVELS)]
    model = nn.Module()
    model.aux = nn.Module()
    model.aux.bottleneck, model.aux.decoder = _rebuilders(arch)
    _load(model, case.below("w_"))
    model.train(case.params["bn_mode"] == "train")
    code = model.aux.bottleneck(maps)
    decoded = model.aux.decoder(code, [(level.shape[-2], level.shape[-1]) for level in maps])
    outputs = [level for index in range(arch["output_sets"]) for level in model.aux.decoder.read(decoded, index)]
    loss = torch.stack([(i + 1) * level.square().mean() for i, level in enumerate(outputs)]).sum()
    answer = {"exp_code": code} | {f"exp_out{i}": level for i, level in enumerate(outputs)}
    return answer | {f"exp_grad_feat{i}": gradient(loss, level) for i, level in enumerate(maps)}


@answers("models/recttt.py: ReCTTT2.forward (eval)")
def forward(case: Case) -> Answer:
    """All maps, reconstructions, both classifiers, and the loss."""
    method, model = _model(case)
    images = tensor(case, "in_images")
    with torch.no_grad():
        seen = method.look(model, images)
        rebuilt = model.aux.reconstruct(seen.stack)
        answer = {"exp_aux": method.loss(model, images, torch.Generator())}
        answer["exp_logits1"] = model.aux.first(images)["class"]
        answer["exp_logits2"] = model.aux.second(images.flip(-1))["class"]
    for name, maps in (("en", seen.targets), ("de", rebuilt)):
        answer |= {f"exp_{name}{i}": level for i, level in enumerate(level for levels in maps for level in levels)}
    return answer


@answers("train_recttt.py: train (one iteration)")
def source_step(case: Case) -> Answer:
    """One update of the source training."""
    method, model = _model(case, kl_axis="batch")
    images, labels = tensor(case, "in_images"), {"class": tensor(case, "in_labels")}
    model.network.eval().requires_grad_(False)
    model.aux.train()
    parts: dict[str, list[Tensor]] = {"cls": [], "aux": [], "div": [], "logits": []}
    reconstruction, divergences = method.reconstruction, method.divergences

    def supervise(outputs: Mapping[str, Tensor], truth: Mapping[str, Tensor]) -> Tensor:
        parts["logits"].append(outputs["class"])
        parts["cls"].append(nn.functional.cross_entropy(outputs["class"], truth["class"].long()))
        return parts["cls"][-1]

    def noted(name: str, value: Any) -> Any:
        parts[name].append(value)
        return value

    object.__setattr__(method, "reconstruction", lambda *a: noted("aux", reconstruction(*a)))
    object.__setattr__(method, "divergences", lambda *a: noted("div", divergences(*a)))
    with torch.no_grad():
        features = model.network.features(images)
    # The official alpha is -3 + 4 it / (0.1 total).
    progress = (case.params["alpha"] + 3) / 4 * 0.1
    batch = SourceBatch(images, labels, features, {}, supervise, progress)
    optimizer = build_optimizer(optimizer_spec(case.params["optimizer"]), model.aux.parameters())
    method.source_loss(model, batch, torch.Generator()).backward()
    optimizer.step()
    unused = {f"exp_after_{k}": v for k, v in case.below("w_").items() if k.startswith(UNUSED)}
    return unused | {f"exp_after_{k}": v for k, v in _official(model).items()} | {
        "exp_aux": parts["aux"][0], "exp_div": parts["div"][0][0], "exp_cls": torch.stack(parts["cls"]).sum(),
        "exp_logits1": parts["logits"][0], "exp_logits2": parts["logits"][1],
    }  # fmt: skip


@answers("utils.py: evaluation_ttt2_semi")
def adaptation(case: Case) -> Answer:
    """Batches one after the other: weights reset, moments not; the stem is in train mode for the first alone."""
    options = {"reset_optimizer": False, "hard_mining": case.params["hard_mining"]}
    method, model = _model(case, **options, stem_bn="train")
    adapter = Adapter(model, method, optimizer_spec(case.params["optimizer"]))
    answer: dict[str, Any] = {}
    losses, logits = [], []
    for index, images in enumerate(numbered(case, "in_batch")):
        if index:
            adapter.reset()
            adapter.method = create("recttt", {**options, "stem_bn": "eval"})
        for step in range(1, case.params["iterations"] + 1):
            losses.append(adapter.update(images))
            answer |= {f"exp_b{index}s{step}_{k}": v for k, v in _official(model).items()}
        with torch.no_grad():
            first = model.aux.first(images)["class"]
            second = model.aux.second(images.flip(-1))["class"]
        logits.append(adapter.predict(images)["class"])
        answer |= {f"exp_logits1_batch{index}": first, f"exp_logits2_batch{index}": second}
    answer["exp_losses"] = torch.stack([loss for loss in losses if loss is not None])
    answer["exp_mean_loss"] = answer["exp_losses"].mean()
    answer["exp_accuracy"] = _accuracy(torch.cat(logits))
    return answer


def _model(case: Case, **options: Any) -> tuple[Any, Model]:
    method = create("recttt", options)
    network = ThinNetwork(case.params["arch"], case.params["classes"])
    model = Model(network, method.auxiliary(network))
    model.aux.bottleneck, model.aux.decoder = _rebuilders(case.params["arch"])
    _load(model, case.below("w_"))
    return method, model.eval()


def _rebuilders(arch: Mapping[str, Any]) -> tuple[Bottleneck, Decoder]:
    channels = arch["stage_outputs"][:LEVELS]
    return Bottleneck(channels, arch["bottleneck_blocks"]), Decoder(
        channels, arch["output_sets"], arch["decoder_blocks"]
    )


def _load(model: nn.Module, state: Mapping[str, Any]) -> None:
    given = {_ours(key): torch.from_numpy(value.copy()) for key, value in state.items() if not key.startswith(UNUSED)}
    own = {key for key in model.state_dict() if not key.endswith("num_batches_tracked")}
    # The frozen encoder has no classifier.
    missing = {key for key in own - given.keys() if not key.startswith("network.heads.")}
    if missing or given.keys() - own:
        raise ValueError(
            f"weights do not fit: missing {sorted(missing)[:3]}, left over {sorted(given.keys() - own)[:3]}"
        )
    model.load_state_dict(given, strict=False)


def _official(model: nn.Module) -> dict[str, Tensor]:
    reverse = {ours: theirs for theirs, ours in NAMES.items()}
    state = {}
    for key, value in model.state_dict().items():
        parts = key.split(".")
        if key.startswith("aux.decoder.outputs."):
            name = f"decoder.out{int(parts[4]) + 1}.{parts[3]}.{parts[5]}"
        else:
            ours = next((prefix for prefix in reverse if key.startswith(prefix)), None)
            if ours is None:
                continue
            name = reverse[ours] + key[len(ours) :]
            name = name.replace("downsample", "upsample") if name.startswith("decoder.") else name
        state[name] = value.detach().clone()
    return state


def _ours(key: str) -> str:
    if key.startswith("decoder.out"):
        _, level, index, rest = key.split(".")
        return f"aux.decoder.outputs.{index}.{int(level[3:]) - 1}.{rest}"
    theirs = max((prefix for prefix in NAMES if key.startswith(prefix)), key=len)
    ours = NAMES[theirs] + key[len(theirs) :]
    return ours.replace("upsample", "downsample") if key.startswith("decoder.") else ours


def _accuracy(logits: Tensor) -> float:
    """The cases store no labels; what they count are images numbered through modulo the classes."""
    labels = torch.arange(len(logits)) % logits.shape[1]
    return float((logits.argmax(1) == labels).float().mean())
