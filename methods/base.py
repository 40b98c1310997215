"""Base: the source model as it is. The control that every gain is measured against."""

from __future__ import annotations

from dataclasses import dataclass

from ttt_bench.method import Card, Method


@dataclass(frozen=True)
class Base(Method):
    """No adaptation: source weights, source batch-norm statistics."""

    name = "base"
    card = Card(
        title="Base",
        paper="control",
        venue="",
        equation="none",
        updates="nothing",
    )
    bn = "source"
    adapts = False
