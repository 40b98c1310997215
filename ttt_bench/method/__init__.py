"""The plug-in contract of methods, what a method says of itself, and how its file is found. Listing loads no torch."""

from __future__ import annotations

from typing import Any

_CONTRACT = (
    "Accident", "Card", "Joined", "Method", "Model", "Needs", "OptimizerSpec", "Range", "SourceBatch", "StatisticsBank",
    "batch_norms", "norm_affine",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """What a method's file needs, from the contract when it is asked for: that loads torch."""
    if name in _CONTRACT:
        from ttt_bench.method import contract

        return getattr(contract, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
