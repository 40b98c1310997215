"""The checks. Each runs a method through the same ``Adapter`` and protocols as the benchmark."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttt_bench.adaptation.recording import check_predictions
from ttt_bench.audit.toy import Toy, make_toy
from ttt_bench.audit.trace import SIZE, STEPS, trace
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Method
from ttt_bench.process_state import ProcessState, generator_states, seed_everything, unchanged_process
from ttt_bench.synthetic import random_images
from ttt_bench.tasks import of_kind


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    status: Literal["passed", "refused", "failed"]
    """``refused``: the method declined the input with a clear error, which the contract allows."""
    detail: str = ""


class BrokenContractError(Exception):
    """A contract is broken; the message says how."""


def audit(method: Method) -> list[Finding]:
    """Run every check on ``method``; each leaves the process as it found it."""
    try:
        with unchanged_process(f"fitting {method.name}"):
            toy = make_toy(method)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit in a method is a finding like any other
        return [Finding("Its source-time part can be fitted", "failed", f"{type(error).__name__}: {error}")]
    return [run(check, toy) for check in CHECKS]


def title(check: Callable[[Toy], str]) -> str:
    """What a check is called in findings."""
    return (check.__doc__ or check.__name__).splitlines()[0].rstrip(".")


def run(check: Callable[[Toy], str], toy: Toy) -> Finding:
    """Run one check; whatever the method does becomes its finding."""
    name = title(check)
    try:
        with unchanged_process(f"the audit of {toy.method.name}"):
            return Finding(name, "passed", check(toy))
    except BrokenContractError as error:
        return Finding(name, "failed", str(error))
    except UserError as error:
        if check in MAY_REFUSE:
            return Finding(name, "refused", error.message)
        return Finding(name, "failed", f"refuses an ordinary batch: {error.message}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a crash, or sys.exit, is a finding; the other checks still run
        return Finding(name, "failed", f"{type(error).__name__}: {error}")


def process_stays_as_it_is(toy: Toy) -> str:
    """Settings and functions shared by all methods stay as they are."""
    state = ProcessState.now()
    trace(toy)
    changed = state.restore()
    _require(not changed, f"it changed {', '.join(changed[:4])}")
    return ""


def poisoned_labels_change_nothing(toy: Toy) -> str:
    """Poisoned labels change nothing."""
    differs = trace(toy, labels=1, scored=False).differs(trace(toy, labels=99, scored=False))
    _require(not differs, f"{differs} depend on the target's labels")
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
    after = _flags(adapter.model)
    changed = sorted(name for name in flags.keys() | after.keys() if flags.get(name) != after.get(name))
    _require(not changed, f"changed on the model: {', '.join(changed[:3])}")
    return ""


def global_randomness_is_untouched(toy: Toy) -> str:
    """Only the generator handed in is used."""
    seed_everything(8675309)  # a state that no method puts them in: seeding anew is seen as well as drawing
    before = generator_states()
    trace(toy)
    after = generator_states()
    moved = [name for name, state in before.items() if after[name] != state]
    _require(not moved, f"{', '.join(moved)} global random generator moved")
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
    """Two runs are bit-identical, whatever ran between them."""
    first = trace(toy, seed=7)
    trace(toy, seed=8, images=50)  # what a method keeps of another run would show in the next
    differs = first.differs(trace(toy, seed=7))
    _require(not differs, f"{differs} of two runs with the same seed differ")
    return ""


def nothing_is_kept(toy: Toy) -> str:
    """Nothing is kept on the method or in its module."""
    trace(toy)  # what is set up once, at first use, may be
    before = _kept(toy.method)
    trace(toy, seed=1, images=50)
    changed = sorted(name for name, value in _kept(toy.method).items() if before.get(name) != value)
    _require(not changed, f"{', '.join(changed[:3])} changed from one run to the next")
    return ""


def frozen_parameters_stay(toy: Toy) -> str:
    """Only the parameters it declares are moved."""
    adapter = toy.adapter()
    declared = {id(parameter) for parameter in adapter.parameters}
    frozen = {n: (p, p.detach().clone()) for n, p in adapter.model.named_parameters() if id(p) not in declared}
    for seed in range(STEPS):
        adapter.update(random_images(4, SIZE, seed))
        adapter.predict(random_images(4, SIZE, seed))
    moved = [name for name, (parameter, before) in frozen.items() if not torch.equal(parameter, before)]
    _require(not moved, f"moved without being among updated(): {', '.join(moved[:3])}")
    return ""


def predictions_change_nothing(toy: Toy) -> str:
    """Predicting changes nothing and can be repeated."""
    adapter, images = toy.adapter(), random_images(4, SIZE, 0)
    adapter.update(images)
    before = adapter.digest()
    first, second = (dict(adapter.predict(images)) for _ in range(2))
    check_predictions(adapter, first, images)
    _require(adapter.digest() == before, "state moved while predicting")
    _require(all(torch.equal(first[task], second[task]) for task in first), "two predictions in a row differ")
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
    process_stays_as_it_is,
    poisoned_labels_change_nothing,
    reset_returns_everything,
    nothing_leaks,
    global_randomness_is_untouched,
    images_are_untouched,
    runs_twice_bit_identically,
    nothing_is_kept,
    frozen_parameters_stay,
    predictions_change_nothing,
    heads_stay,
    single_image,
    other_shape,
    fewer_tasks,
)
MAY_REFUSE = (single_image, other_shape, fewer_tasks)


def _works(toy: Toy, images: Tensor) -> str:
    adapter = toy.adapter()
    losses = [adapter.update(images) for _ in range(2)]
    for task, prediction in adapter.predict(images).items():
        _require(prediction.shape[-2:] == images.shape[-2:], f"{task} predictions have another size than the images")
        _require(bool(torch.isfinite(prediction).all()), f"{task} predictions are not finite")
    _require(all(loss is None or bool(torch.isfinite(loss)) for loss in losses), "the loss is not finite")
    return ""


PLAIN = (bool, int, float, str, type(None))


def _flags(model: torch.nn.Module) -> dict[str, object]:
    """Modes, hooks, and every plain attribute of every module: eps, momentum, whatever a method hangs on them."""
    found: dict[str, object] = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            hooks = key.endswith("_hooks") and hasattr(value, "__len__")
            found[f"{name}.{key}"] = len(value) if hooks else value if isinstance(value, PLAIN) else type(value)
    return found | {f"{name}.requires_grad": p.requires_grad for name, p in model.named_parameters()}


def _kept(method: Method) -> dict[str, str]:
    """What could outlive a run: attributes of the instance and its class, and values of its module, as text."""
    functions = (value for value in vars(type(method)).values() if isinstance(value, types.FunctionType))
    module = next((function.__globals__ for function in functions), {})
    places = {"self": vars(method), type(method).__name__: vars(type(method)), "module": module}
    return {
        f"{place}.{name}": f"{type(value).__name__} {len(value) if hasattr(value, '__len__') else ''} {value!r}"
        for place, values in places.items()
        for name, value in list(values.items())
        if not name.startswith("__") and not callable(value) and not isinstance(value, types.ModuleType)
    }


def _require(held: bool, message: str) -> None:
    if not held:
        raise BrokenContractError(message)
