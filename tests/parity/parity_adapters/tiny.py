"""The tiny networks that the reference vectors of TENT, TIPI, TTT and TTT++ were made with.

Built from their description in words; channel counts come from the stored weights. They derive from the
benchmark's network and encoder, so that adapters, methods and hooks meet what they meet in the benchmark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Encoder, Network, Predictions
from ttt_bench.networks.fused import resize

State = Mapping[str, Any]
"""Official state-dict names -> arrays."""


class TwoConvs(Encoder):
    """3x3 convolution, norm, ReLU, 3x3 convolution at half size, norm, ReLU (TinyCls, TinyMTL, TinyExt)."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(state["conv1.weight"]), norm(state["bn1.weight"])
        self.conv2, self.bn2 = conv(state["conv2.weight"], stride=2), norm(state["bn2.weight"])
        self.channels = (len(state["bn2.weight"]),)

    def forward(self, images: Tensor, last: int = 1) -> list[Tensor]:
        """(B, 3, H, W) -> one map (B, C, H/2, W/2)."""
        x = self.bn1(self.conv1(images)).relu()
        return [self.bn2(self.conv2(x)).relu()]


class ResidualConvs(TwoConvs):
    """The same with a shortcut whose norm is a numbered child (TinySeqBN)."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.down = nn.Sequential(conv(state["down.0.weight"], stride=2), norm(state["down.1.weight"]))

    def forward(self, images: Tensor, last: int = 1) -> list[Tensor]:
        """(B, 3, H, W) -> one map (B, C, H/2, W/2)."""
        x = self.bn1(self.conv1(images)).relu()
        return [(self.bn2(self.conv2(x)) + self.down(x)).relu()]


class PreActivation(Encoder):
    """A convolution, then three stages of norm, ReLU, convolution; a norm and ReLU end the last (TinyRes)."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.conv1 = conv(state["conv1.weight"])
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(norm(state[f"layer{i}.0.weight"]), nn.ReLU(), conv(state[f"layer{i}.2.weight"], stride))
            for i, stride in ((1, 1), (2, 2), (3, 1))
        )
        self.layer3 = nn.Sequential(self.layer3, norm(state["bn.weight"]), nn.ReLU())
        self.channels = tuple(len(state[f"layer{i}.2.weight"]) for i in (1, 2, 3))

    def stages(self) -> tuple[nn.Module, ...]:
        """The three stages."""
        return (self.layer1, self.layer2, self.layer3)

    def up_to(self, stage: int) -> tuple[nn.Module, ...]:
        """The modules from the stem to stage ``stage`` inclusive."""
        return (self.conv1, *self.stages()[:stage])

    def forward(self, images: Tensor, last: int = 3) -> list[Tensor]:
        """(B, 3, H, W) -> the outputs of the stages up to ``last``."""
        x = self.conv1(images)
        levels = []
        for stage in self.stages()[:last]:
            x = stage(x)
            levels.append(x)
        return levels


class TinyNetwork(Network):
    """A tiny encoder and either a classifier on the pooled last map or one 1x1 convolution per task.

    The classifier's logits (B, C) are called ``semseg``: segmentation of an image of one pixel.
    """

    def __init__(self, encoder: Encoder, state: State) -> None:
        super().__init__(NetworkConfig(), {})
        self.encoder = encoder
        self.fc = linear(state["fc.weight"]) if "fc.weight" in state else None
        shapes = {key.split(".")[1]: w.shape for key, w in state.items() if key.startswith("heads.") and w.ndim == 4}
        self.heads = nn.ModuleDict({task: nn.Conv2d(s[1], s[0], 1) for task, s in shapes.items()})
        self.outputs = {task: s[0] for task, s in shapes.items()}
        if not self.outputs:
            self.outputs = {"semseg": len(state.get("fc.weight", ()))}

    def features(self, images: Tensor, last: int = 4) -> list[Tensor]:
        """(B, 3, H, W) -> the encoder's maps."""
        levels: list[Tensor] = self.encoder(images, last)
        return levels

    def predict(self, features: Sequence[Tensor], size: tuple[int, int]) -> Predictions:
        """Maps -> class logits (B, C), or every task's map at ``size``."""
        if self.fc is not None:
            return {"semseg": self.fc(features[-1].mean((2, 3)))}
        return {task: resize(head(features[-1]), size) for task, head in self.heads.items()}


ENCODERS: dict[str, Callable[[State], Encoder]] = {
    "TinyCls": TwoConvs,
    "TinyMTL": TwoConvs,
    "TinyExt": TwoConvs,
    "TinySeqBN": ResidualConvs,
    "TinyRes": PreActivation,
}
"""The manifest's ``arch`` -> the encoder; the heads follow from the stored weights."""

_NESTED = (("layer3.", "encoder.layer3.0."), ("bn.", "encoder.layer3.1."))
"""Where TinyRes's last stage keeps what the official names call layer3 and bn."""


def tiny_network(arch: str, state: State) -> TinyNetwork:
    """The network ``arch`` with the weights ``state``.

    Raises:
        UserError: the architecture is unknown, or weights are missing or left over.
    """
    if arch not in ENCODERS:
        raise UserError(f"The reference architecture {arch!r} is unknown.", did_you_mean(arch, ENCODERS))
    network = TinyNetwork(ENCODERS[arch](state), state)
    load(network, {our_name(network, key): value for key, value in state.items()})
    return network


def our_name(network: TinyNetwork, official: str) -> str:
    """The name in ``network``'s state dict of the official name ``official``."""
    if official.startswith(("fc.", "heads.")):
        return official
    if isinstance(network.encoder, PreActivation):
        for theirs, ours in _NESTED:
            if official.startswith(theirs):
                return ours + official[len(theirs) :]
    return "encoder." + official


def official_state(network: TinyNetwork) -> dict[str, Tensor]:
    """Copies of ``network``'s parameters and buffers under their official names."""
    state = {}
    for key, tensor in network.state_dict().items():
        name = key.removeprefix("encoder.")
        if isinstance(network.encoder, PreActivation):
            for theirs, ours in _NESTED:
                if key.startswith(ours):
                    name = theirs + key[len(ours) :]
        state[name] = tensor.detach().clone()
    return state


def load(module: nn.Module, state: State) -> None:
    """Load arrays into ``module``; only the counters that the vectors leave out may be missing.

    Raises:
        UserError: weights are missing or left over.
    """
    tensors = {key: torch.from_numpy(np.array(value)) for key, value in state.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise UserError(f"The stored weights do not fit: missing {missing}, left over {unexpected}.")


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of ``state`` with ``prefix`` before every name."""
    return {prefix + key: tensor.detach().clone() for key, tensor in state.items()}


def conv(weight: Any, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, shaped for ``weight``, that keeps the map's size but for ``stride``."""
    outputs, inputs, size, _ = weight.shape
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


def norm(weight: Any) -> nn.BatchNorm2d:
    """A batch norm shaped for ``weight``."""
    return nn.BatchNorm2d(len(weight))


def linear(weight: Any) -> nn.Linear:
    """A linear layer shaped for ``weight``."""
    return nn.Linear(weight.shape[1], weight.shape[0])
