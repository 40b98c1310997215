"""What a method moves, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttt_bench.audit.toy import make_toy
from ttt_bench.audit.trace import SIZE, STEPS
from ttt_bench.method.contract import Method
from ttt_bench.synthetic import random_images


@dataclass(frozen=True)
class Movement:
    """How far one tensor moved in a few updates."""

    name: str
    kind: Literal["parameter", "buffer"]
    relative: float
    """Norm of the change over the norm before (or the norm of the change when that was 0)."""


def footprint(method: Method, updates: int = STEPS) -> list[Movement]:
    """Which parameters and buffers ``updates`` native steps moved, and how far; unmoved ones are left out."""
    adapter = make_toy(method).adapter()
    parameters = {name for name, _ in adapter.model.named_parameters()}
    before = {name: tensor.clone() for name, tensor in adapter.model.state_dict().items()}
    for seed in range(updates):
        adapter.update(random_images(4, SIZE, seed))
    moved = []
    for name, tensor in adapter.model.state_dict().items():
        old = before.get(name)
        if old is None or old.shape != tensor.shape or not torch.equal(old, tensor):
            kind: Literal["parameter", "buffer"] = "parameter" if name in parameters else "buffer"
            moved.append(Movement(name, kind, _relative_change(old, tensor)))
    return moved


def _relative_change(old: Tensor | None, new: Tensor) -> float:
    if old is None or old.shape != new.shape:
        return float("inf")
    change = float((new.double() - old.double()).norm())
    size = float(old.double().norm())
    return change / size if size > 0 else change
