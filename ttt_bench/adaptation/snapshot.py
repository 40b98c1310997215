"""Snapshots of everything a step can move, and restores that never alias them."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Snapshot:
    """Parameters, buffers, optimiser state and random state at one moment."""

    tensors: dict[str, Tensor]
    optimizer: dict[str, Any] | None
    rng: Tensor


def take(model: nn.Module, optimizer: torch.optim.Optimizer | None, rng: torch.Generator) -> Snapshot:
    """Copy the current state."""
    return Snapshot(
        tensors={name: tensor.detach().clone() for name, tensor in model.state_dict().items()},
        optimizer=None if optimizer is None else copy.deepcopy(optimizer.state_dict()),
        rng=rng.get_state(),
    )


def restore(
    snapshot: Snapshot, model: nn.Module, optimizer: torch.optim.Optimizer | None, rng: torch.Generator
) -> None:
    """Put ``model``, ``optimizer`` and ``rng`` back, in place.

    ``Optimizer.load_state_dict`` keeps references to what it is given, so the next step would corrupt the
    snapshot: it is handed a copy. Buffers that grew since (queues) are replaced, not resized.
    """
    model.load_state_dict(snapshot.tensors)
    if optimizer is not None and snapshot.optimizer is not None:
        optimizer.load_state_dict(copy.deepcopy(snapshot.optimizer))
    for parameter in model.parameters():
        parameter.grad = None
    rng.set_state(snapshot.rng)


def moved(snapshot: Snapshot, since: Snapshot) -> dict[str, Tensor]:
    """The tensors of ``snapshot`` whose bits differ from those of ``since``."""
    return {
        name: tensor
        for name, tensor in snapshot.tensors.items()
        if name not in since.tensors or not _same_bits(tensor, since.tensors[name])
    }


def _same_bits(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    a, b = (tensor.contiguous().flatten().view(torch.uint8) for tensor in (one, other))
    return torch.equal(a, b)


def digest(model: nn.Module, optimizer: torch.optim.Optimizer | None, rng: torch.Generator) -> str:
    """SHA-256 over names and bytes of all state, including flags, modes and hooks that a method might leak."""
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for name, parameter in model.named_parameters():
        sha.update(f"{name}:{parameter.requires_grad}".encode())
    for name, module in model.named_modules():
        hooks = len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        sha.update(f"{name}:{module.training}:{hooks}".encode())
    sha.update(_flat(optimizer.state_dict() if optimizer is not None else None))
    sha.update(rng.get_state().numpy().tobytes())
    return sha.hexdigest()


def _flat(value: Any) -> bytes:
    if isinstance(value, Tensor):
        return value.detach().cpu().contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return b"".join(str(key).encode() + _flat(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return b"".join(_flat(item) for item in value)
    return str(value).encode()
