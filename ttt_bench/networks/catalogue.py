"""From settings to a network: the only place where one is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from ttt_bench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ttt_bench.networks.config import NetworkConfig
    from ttt_bench.networks.contract import Network

ARCHITECTURES = ("multitask", "mtinet")


def make_network(config: NetworkConfig, outputs: Mapping[str, int], per_image: Collection[str] = ()) -> Network:
    """The network of ``config``, freshly initialised from the global generator.

    Args:
        config: the settings.
        outputs: output channels by task, in order.
        per_image: the tasks that have one answer per image.

    Raises:
        UserError: the architecture or its encoder is unknown, or weights do not fit.
    """
    import torch

    from ttt_bench.networks.convolutions import make_safe

    network = _class_of(config)(config, outputs, per_image)
    make_safe(network)
    # Channels innermost: a fifth to a third faster on CPUs, and what tensor cores want.
    network.to(memory_format=torch.channels_last)
    return network


def _class_of(config: NetworkConfig) -> type[Network]:
    from ttt_bench.networks.multitask import MultiTask

    if config.architecture == "multitask":
        return MultiTask
    if config.architecture == "mtinet":
        from ttt_bench.networks.mtinet import MTINet

        return MTINet
    raise UserError(f"--network {config.architecture!r} is unknown.", did_you_mean(config.architecture, ARCHITECTURES))
