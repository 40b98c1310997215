"""Features up to a stage, for methods whose loss looks at an early map only."""

from __future__ import annotations

import torch
from torch import Tensor

from ttt_bench.networks.contract import Network


def tapped_features(network: Network, images: Tensor, last: int, refresh: bool) -> list[Tensor]:
    """c2, c3, ... up to stage ``last``, without a graph behind it.

    Args:
        network: in the caller's mode.
        images: (B, 3, H, W).
        last: 1 = layer1 (c2) to 4 = layer4 (c5).
        refresh: also run the later stages, without gradient, so that their running statistics move in train
            mode exactly as in a whole forward.

    Returns:
        ``last`` maps.
    """
    levels = network.features(images, last)
    if refresh:
        with torch.no_grad():
            network.encoder.finish(levels)
    return levels
