"""What a plan will cost on this machine, before anything starts. No torch."""

from __future__ import annotations

from collections import Counter
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
    update = slower * UPDATE_SHARE * encoder_seconds(config.network, config.size, config.batch_size)
    training = slower * TRAINING_SHARE * encoder_seconds(config.network, config.size, config.source_training.batch_size)
    origin = (
        "stated for CPU cores, as many as --threads, from docs/costs.md by image, batch and network size; "
        "methods differ by 11 times, "
        "a GPU is far faster; --probe times two steps of each here"
    )
    return make_forecast(plan.cells, plan.extra_methods, folder, update, training, origin)


def encoder_seconds(network: NetworkConfig, size: tuple[int, int], batch_size: int) -> float:
    """Stated seconds of an encoder's forward and backward on a batch; an unknown network counts as ResNet-50."""
    adds, side = MULTIPLY_ADDS.get(network.backbone, MULTIPLY_ADDS["resnet50"]), min(size)
    if network.backbone in SMALL_IMAGE_ADDS:
        adds = SMALL_IMAGE_ADDS[network.backbone] * (224 / 32) ** 2
    elif network.stem == "cifar":
        adds, side = adds * CIFAR_STEM, side * 4
    arithmetic = adds / MULTIPLY_ADDS["resnet50"] * (SMALL_SHARE if side < SMALL_SIDE else 1.0)
    return REFERENCE_SECONDS * arithmetic * batch_size * size[0] * size[1] / REFERENCE_PIXELS


def span(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3.4 h``, ``1,240 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"
