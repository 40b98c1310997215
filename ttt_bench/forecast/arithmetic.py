"""The arithmetic of a network that no table lists, counted on an empty image. Loads torch."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from ttt_bench.forecast.timing import untrained
from ttt_bench.source.spec import SourceSpec
from ttt_bench.source.training import build_network


def multiply_adds(source: SourceSpec) -> float:
    """10^9 multiply-adds of one image's forward through the network of ``source``, heads included.

    Those of products and convolutions, as torch counts them. A network of the project's own needs no memory for it.

    Raises:
        UserError: the network cannot be made here.
    """
    bare = untrained(source)
    bare = replace(bare, network=replace(bare.network, pixels="domain"))
    device = "meta" if source.network.is_own else "cpu"
    with torch.device(device):
        network = build_network(bare).eval()
    image = torch.zeros(1, 3, *source.size, device=device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return float(counter.get_total_flops()) / 2e9
