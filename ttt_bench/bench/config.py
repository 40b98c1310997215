"""What is timed: one configuration by name and track, or with another network, size or batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ttt_bench.choices import Range, check_range, check_word
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.networks.catalogue import choice
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.sweep import PRESETS, TRACKS
from ttt_bench.tasks.catalogue import Track, track_tasks


@dataclass(frozen=True)
class BenchConfig:
    """What is timed."""

    name: str
    network: NetworkConfig
    size: tuple[int, int]
    batch: int
    classes: int
    repeats: int
    track: Track = "dense"

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the network predicts."""
        return track_tasks(self.track)

    def as_json(self) -> dict[str, Any]:
        """Plain values, which ``from_json`` reads in another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> BenchConfig:
        """What ``as_json`` wrote."""
        return cls(**{**said, "network": NetworkConfig(**said["network"]), "size": tuple(said["size"])})


def _class_track(name: str, settings: Mapping[str, Any], repeats: int) -> BenchConfig:
    """As sweeps of the class track are set."""
    return BenchConfig(name, settings["network"], settings["size"], settings["batch_size"], 10, repeats, "class")


CONFIGS: dict[str, dict[str, BenchConfig]] = {
    "dense": {
        # S4T's Taskonomy/NYUD networks: 7 + 1 + 3 + 1 output channels at 256x256, batch 8.
        "paper": BenchConfig("paper", NetworkConfig("resnet50", "linear"), (256, 256), 8, 7, 5),
        "small": BenchConfig("small", NetworkConfig("resnet10", "conv"), (64, 64), 8, 10, 15),
    },
    "class": {
        "paper": _class_track("paper", PRESETS["cifar10c"], 3),
        "small": _class_track("small", TRACKS["class"], 15),
    },
}
"""By track and name."""


def bench_config(name: str, track: str = "dense") -> BenchConfig:
    """Look a configuration up.

    Raises:
        UserError: there is none of that name, or no such track.
    """
    check_word("--track", track, CONFIGS)
    if name not in CONFIGS[track]:
        raise UserError(f"--config {name!r} is unknown.", did_you_mean(name, CONFIGS[track]))
    return CONFIGS[track][name]


def with_network(
    config: BenchConfig,
    backbone: str | None = None,
    architecture: str | None = None,
    files: tuple[Path, ...] = (),
    size: tuple[int, int] | None = None,
    batch: int | None = None,
) -> BenchConfig:
    """``config`` with what is given instead of its own.

    Args:
        config: a configuration by name.
        backbone: the encoder.
        architecture: what turns its maps into predictions.
        files: architectures of the user's own; the last one is meant where none is named.
        size: (H, W) of the images.
        batch: how many of them.

    Raises:
        UserError: something of it is unknown or out of range.
    """
    chosen: dict[str, Any] = {**choice(architecture, files)}
    network = replace(config.network, **chosen)
    if backbone is not None:
        network = replace(network, backbone=backbone)
        # The stem is the configuration's, nobody asked for it: backbones with one of their own keep that.
        network = network if network.is_resnet else replace(network, stem="")
    for side in size or ():
        check_range("--size", side, Range(32, 16_384))
    check_range("--batch-size", config.batch if batch is None else batch, Range(1, 100_000))
    return replace(config, network=network.check(), size=size or config.size, batch=batch or config.batch)
