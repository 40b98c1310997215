"""What running statistics see of forwards in train mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ttt_bench.method.contract import batch_norms


@contextmanager
def kept_statistics(module: nn.Module, keep: bool = True) -> Iterator[None]:
    """While open and ``keep``, forwards in train mode leave running statistics as they are."""
    norms = list(batch_norms(module)) if keep else []
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
