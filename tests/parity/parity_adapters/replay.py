"""What adapters put around the project's own code: stored draws for random ones, settings, gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from ttt_bench.errors import UserError
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Method
from ttt_bench.parity.case import Case

M = TypeVar("M", bound=Method)


def replay(method: M, **draws: Callable[..., Any]) -> M:
    """Put stored draws in the place of the random ones that ``method`` makes; all else stays its own code.

    Args:
        method: an instance, changed in place.
        draws: method name -> replacement.

    Raises:
        AttributeError: the method makes no such draw.
    """
    for name, replacement in draws.items():
        if not callable(getattr(method, name)):
            raise AttributeError(f"{type(method).__name__}.{name} is not a method")
        object.__setattr__(method, name, replacement)
    return method


def optimizer_spec(settings: Mapping[str, Any]) -> OptimizerSpec:
    """An optimiser from a manifest's settings.

    Raises:
        UserError: a setting is one that the benchmark's optimisers do not have.
    """
    fixed = {"betas": [0.9, 0.999], "dampening": 0.0}
    known = {"name", "lr", "lr_per_sample", "momentum", "nesterov", "weight_decay"}
    for key, value in settings.items():
        if key not in known and value != fixed.get(key, value if key == "eps" else None):
            raise UserError(f"The optimizer setting {key}={value!r} is not one of the benchmark's.")
    chosen = {key: value for key, value in settings.items() if key in known}
    return OptimizerSpec(**{**chosen, "name": str(settings["name"]).lower()})


def tensor(case: Case, name: str, grad: bool = False) -> Tensor:
    """The case's array ``name`` as a tensor of its own, with gradient if asked."""
    return torch.from_numpy(case.arrays[name].copy()).requires_grad_(grad)


def numbered(case: Case, stem: str) -> list[Tensor]:
    """The arrays ``<stem>0``, ``<stem>1``, ... in numeric order; empty when there are none."""
    found = (re.fullmatch(rf"{re.escape(stem)}(\d+)", name) for name in case.arrays)
    indices = sorted(int(match.group(1)) for match in found if match)
    return [tensor(case, f"{stem}{index}") for index in indices]


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    """d loss / d of; zeros when ``loss`` does not depend on it."""
    (result,) = torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True)
    return torch.zeros_like(of) if result is None else result
