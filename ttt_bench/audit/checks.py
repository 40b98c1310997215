"""The checks. Each runs a method through the same ``Adapter`` and protocols as the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.stream import Evaluator, TargetStream
from ttt_bench.audit.toy import Toy, make_toy
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Method
from ttt_bench.synthetic import random_images, random_labels
from ttt_bench.tasks import of_kind

SIZE = (64, 64)
STEPS = 3


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    status: Literal["passed", "refused", "failed"]
    """``refused``: the method declined the input with a clear error, which the contract allows."""
    detail: str = ""


@dataclass(frozen=True)
class Movement:
    """How far one tensor moved in a few updates."""

    name: str
    kind: Literal["parameter", "buffer"]
    relative: float
    """Norm of the change over the norm before (or the norm of the change when that was 0)."""


class BrokenContractError(Exception):
    """A contract is broken; the message says how."""


def audit(method: Method) -> list[Finding]:
    """Run every check on ``method``."""
    toy = make_toy(method)
    return [_run(check, toy) for check in CHECKS]


def _run(check: Callable[[Toy], str], toy: Toy) -> Finding:
    name = (check.__doc__ or check.__name__).splitlines()[0].rstrip(".")
    try:
        return Finding(name, "passed", check(toy))
    except BrokenContractError as error:
        return Finding(name, "failed", str(error))
    except UserError as error:
        if check in MAY_REFUSE:
            return Finding(name, "refused", error.message)
        return Finding(name, "failed", f"refuses an ordinary batch: {error.message}")
    except Exception as error:  # a crash is a finding; the other checks still run
        return Finding(name, "failed", f"{type(error).__name__}: {error}")


def poisoned_labels_change_nothing(toy: Toy) -> str:
    """Poisoned labels change nothing."""
    images = [random_images(4, SIZE, seed) for seed in (1, 2)]
    digests = []
    for label_seed in (0, 99):
        adapter = toy.adapter()
        labels = [random_labels(toy.tasks, 4, SIZE, label_seed + i) for i in range(2)]
        run_protocol("online", adapter, TargetStream(images), Evaluator(labels), STEPS, (0, STEPS))
        digests.append(adapter.digest())
    _require(digests[0] == digests[1], "the weights depend on the target's labels")
    return ""


def reset_returns_everything(toy: Toy) -> str:
    """After reset all state equals the source's."""
    adapter = toy.adapter()
    before = adapter.digest()
    for _ in range(2):
        for seed in range(STEPS):
            adapter.update(random_images(4, SIZE, seed))
        adapter.reset()
        _require(adapter.digest() == before, "state differs after reset")
    return ""


def nothing_leaks(toy: Toy) -> str:
    """No hook, flag or mode leaks out of a step."""
    adapter = toy.adapter()
    flags = _flags(adapter.model)
    adapter.update(random_images(4, SIZE, 0))
    _require(_flags(adapter.model) == flags, "hooks, requires_grad flags or train/eval modes changed")
    return ""


def global_randomness_is_untouched(toy: Toy) -> str:
    """Only the generator handed in is used."""
    adapter = toy.adapter()
    before = torch.get_rng_state()
    adapter.update(random_images(4, SIZE, 0))
    adapter.predict(random_images(4, SIZE, 0))
    _require(torch.equal(before, torch.get_rng_state()), "the global random generator moved")
    return ""


def images_are_untouched(toy: Toy) -> str:
    """The images are not changed in place."""
    adapter, images = toy.adapter(), random_images(4, SIZE, 0)
    copy = images.clone()
    adapter.update(images)
    adapter.predict(images)
    _require(torch.equal(images, copy), "the images were modified")
    return ""


def runs_twice_bit_identically(toy: Toy) -> str:
    """Two runs are bit-identical."""
    digests = []
    for _ in range(2):
        adapter = toy.adapter(seed=7)
        for seed in range(STEPS):
            adapter.update(random_images(4, SIZE, seed))
        digests.append(adapter.digest())
    _require(digests[0] == digests[1], "two runs with the same seed differ")
    return ""


def heads_stay(toy: Toy) -> str:
    """The task heads stay as trained."""
    adapter = toy.adapter()
    before = {k: v.clone() for k, v in adapter.model.network.heads.state_dict().items()}
    for seed in range(STEPS):
        adapter.update(random_images(4, SIZE, seed))
    after = adapter.model.network.heads.state_dict()
    moved = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    _require(not moved or adapter.method.moves_heads, f"heads moved: {', '.join(moved[:3])}")
    return "moves the heads, as it declares" if moved else ""


def single_image(toy: Toy) -> str:
    """A batch of one image works or is refused clearly."""
    return _works(toy, random_images(1, SIZE, 3))


def other_shape(toy: Toy) -> str:
    """A non-square image works or is refused clearly."""
    return _works(toy, random_images(3, (64, 96), 3))


def fewer_tasks(toy: Toy) -> str:
    """A part of the tasks works or is refused clearly."""
    scalars = of_kind(toy.tasks, "scalar")
    smaller = make_toy(toy.method, tuple(task for task in toy.tasks if task not in scalars))
    return _works(smaller, random_images(4, SIZE, 3))


CHECKS: tuple[Callable[[Toy], str], ...] = (
    poisoned_labels_change_nothing,
    reset_returns_everything,
    nothing_leaks,
    global_randomness_is_untouched,
    images_are_untouched,
    runs_twice_bit_identically,
    heads_stay,
    single_image,
    other_shape,
    fewer_tasks,
)
MAY_REFUSE = (single_image, other_shape, fewer_tasks)


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


def _works(toy: Toy, images: Tensor) -> str:
    adapter = toy.adapter()
    losses = [adapter.update(images) for _ in range(2)]
    for task, prediction in adapter.predict(images).items():
        _require(prediction.shape[-2:] == images.shape[-2:], f"{task} predictions have another size than the images")
        _require(bool(torch.isfinite(prediction).all()), f"{task} predictions are not finite")
    _require(all(loss is None or bool(torch.isfinite(loss)) for loss in losses), "the loss is not finite")
    return ""


def _flags(model: torch.nn.Module) -> tuple[object, ...]:
    modules = tuple(
        (name, m.training, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
        for name, m in model.named_modules()
    )
    return modules + tuple((name, p.requires_grad) for name, p in model.named_parameters())


def _require(held: bool, message: str) -> None:
    if not held:
        raise BrokenContractError(message)
