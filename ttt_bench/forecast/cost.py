"""What a plan will cost on this machine, before anything starts. No torch, except to count an unusual network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from ttt_bench.forecast.forecast import Forecast, make_forecast
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.artifacts import pending
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.work import CLASSES, Context, Work, lay_out
from ttt_bench.store.folder import SweepFolder

REFERENCE_SECONDS = 1.38
"""Encoder forward and backward of ResNet-50 on 8 images of 256x256, two CPU cores: measured, docs/costs.md."""
REFERENCE_PIXELS = 8 * 256 * 256
REFERENCE_THREADS = 2
TRAINING_SHARE = 1.3
"""A source iteration against that: heads, branch, losses, Adam, decoding and augmentation."""
UPDATE_SHARE = 1.6
"""An update of a method against that: the mean over the methods of docs/costs.md, which range from 0.3 to 3.3."""
SMALL_SIDE, SMALL_SHARE = 128, 2.5
"""Images of a shorter side use a processor this much worse: measured at 64x64 with ResNet-10."""
MULTIPLY_ADDS = {
    "resnet10": 0.89, "resnet18": 1.81, "resnet34": 3.66, "resnet50": 4.09, "resnet101": 7.80, "resnet152": 11.51,
    "resnext50_32x4d": 4.23, "wide_resnet50_2": 11.40,
}  # fmt: skip
"""10^9 per image of 224x224."""
SMALL_IMAGE_ADDS = {"resnet26": 0.057, "resnet26_gn": 0.057, "wrn40_2": 0.33, "wrn28_10": 5.25}
"""10^9 per image of 32x32 of the networks made for those."""
CIFAR_STEM = 16
"""A stem that keeps the image's size leaves so many times the pixels to all that follows."""


@dataclass(frozen=True)
class Cost:
    """What is still to be done, in pieces and in seconds of one worker."""

    pieces: Counter[type[Work]]
    seconds: dict[type[Work], float]
    basis: str

    @property
    def lines(self) -> list[str]:
        """For people."""
        if not self.pieces:
            return ["cost: nothing is left to do"]
        parts = [
            f"{self.pieces[kind]} {kind.nouns[self.pieces[kind] != 1]} {span(self.seconds[kind])}"
            for kind in CLASSES
            if self.pieces[kind]
        ]
        total = span(sum(self.seconds.values()))
        return [f"cost: about {total}, one piece of work at a time: {', '.join(parts)}", f"forecast from {self.basis}"]


def cost_of(plan: Plan, context: Context, forecast: Forecast) -> Cost:
    """The cost of what ``plan`` still lacks."""
    left = pending(lay_out(replace(plan, cells=(*plan.cells, *plan.later))), context)
    seconds: dict[type[Work], float] = {}
    for work in left:
        seconds[type(work)] = seconds.get(type(work), 0.0) + forecast(work)
    return Cost(Counter(type(work) for work in left), seconds, forecast.basis)


def stated_forecast(plan: Plan, folder: SweepFolder) -> Forecast:
    """From finished cells in ``folder``, and from the figures above where there are none."""
    config = plan.config
    slower = REFERENCE_THREADS / config.threads
    pace, said = _pace(plan)
    update = slower * UPDATE_SHARE * pace(config.batch_size)
    training = slower * TRAINING_SHARE * pace(config.source_training.batch_size)
    origin = (
        f"stated for CPU cores, as many as --threads, from docs/costs.md by image, batch and network size; {said}"
        "methods differ by 11 times, "
        "a GPU is far faster; --probe times two steps of each here"
    )
    return make_forecast(plan.cells, plan.extra_methods, folder, update, training, origin)


def _pace(plan: Plan) -> tuple[Callable[[int], float], str]:
    """Stated seconds of a forward and backward of so many images, and what has to be said of the network."""
    network, size = plan.config.network, plan.config.size
    if is_listed(network) or not plan.sources:
        return lambda count: encoder_seconds(network, size, count), ""
    from ttt_bench.forecast.arithmetic import multiply_adds

    name = network.backbone if network.architecture == "multitask" else f"{network.architecture} on {network.backbone}"
    try:
        adds = multiply_adds(plan.sources[0])
    except Exception as error:  # a network from outside may fail in any way; a forecast is no reason to stop
        stand_in = replace(network, backbone="resnet50", architecture="multitask", stem="")
        why = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
        said = f"the arithmetic of {name} could not be counted ({why}), ResNet-50's stands for it; "
        return lambda count: encoder_seconds(stand_in, size, count), said
    said = f"{name} has {adds:.3g} x 10^9 multiply-adds per image, counted, and a ResNet's speed is assumed for them; "
    return lambda count: counted_seconds(adds, size, count), said


def is_listed(network: NetworkConfig) -> bool:
    """Whether the figures above know the network's arithmetic."""
    backbones = MULTIPLY_ADDS.keys() | SMALL_IMAGE_ADDS.keys()
    return network.architecture == "multitask" and network.backbone in backbones


def encoder_seconds(network: NetworkConfig, size: tuple[int, int], batch_size: int) -> float:
    """Stated seconds of a listed encoder's forward and backward on a batch."""
    side = min(size)
    if network.backbone in SMALL_IMAGE_ADDS:
        adds = SMALL_IMAGE_ADDS[network.backbone] * (224 / 32) ** 2
    elif network.stem == "cifar":
        adds, side = MULTIPLY_ADDS[network.backbone] * CIFAR_STEM, side * 4
    else:
        adds = MULTIPLY_ADDS[network.backbone]
    arithmetic = adds / MULTIPLY_ADDS["resnet50"] * _small_share(side)
    return REFERENCE_SECONDS * arithmetic * batch_size * size[0] * size[1] / REFERENCE_PIXELS


def counted_seconds(adds: float, size: tuple[int, int], batch_size: int) -> float:
    """Stated seconds of a forward and backward on a batch, from ``adds``: 10^9 multiply-adds per image of ``size``."""
    reference = MULTIPLY_ADDS["resnet50"] * REFERENCE_PIXELS / 224**2
    return REFERENCE_SECONDS * adds / reference * _small_share(min(size)) * batch_size


def _small_share(side: int) -> float:
    return SMALL_SHARE if side < SMALL_SIDE else 1.0


def span(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3.4 h``, ``1,240 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"
