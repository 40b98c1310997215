"""The two configurations that are timed."""

from __future__ import annotations

from dataclasses import dataclass

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.networks.config import NetworkConfig


@dataclass(frozen=True)
class BenchConfig:
    """What is timed."""

    name: str
    network: NetworkConfig
    size: tuple[int, int]
    batch: int
    classes: int
    repeats: int


CONFIGS = {
    config.name: config
    for config in (
        # S4T's Taskonomy/NYUD networks: 7 + 1 + 3 + 1 output channels at 256x256, batch 8.
        BenchConfig("paper", NetworkConfig("resnet50", "linear"), (256, 256), 8, 7, 5),
        BenchConfig("small", NetworkConfig("resnet10", "conv"), (64, 64), 8, 10, 15),
    )
}


def bench_config(name: str) -> BenchConfig:
    """Look a configuration up.

    Raises:
        UserError: there is none of that name.
    """
    if name not in CONFIGS:
        raise UserError(f"--config {name!r} is unknown.", did_you_mean(name, CONFIGS))
    return CONFIGS[name]
