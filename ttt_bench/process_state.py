"""What all work in one process shares, kept from what a method does to it. Loads torch.

A method is code of somebody else's that runs between others' cells: a number of threads, a default dtype or a patched
function that it leaves behind would change their numbers. What is guarded here is what a careless author changes;
code that means harm cannot be held back within one process.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

log = logging.getLogger(__name__)

METHOD_MODULES = "ttt_bench_methods."
"""How the modules of method files are named in ``sys.modules``."""


@dataclass(frozen=True)
class Setting:
    """One thing that a process has once."""

    name: str
    """For people."""
    read: Callable[[], Any]
    write: Callable[[Any], object]
    libraries: bool = False
    """Whether libraries move it for good reasons when they are imported; then it is put back without a word."""


def _mkldnn(value: tuple[bool, ...]) -> None:
    for name, flag in zip(_MKLDNN, value, strict=True):
        setattr(torch.backends.mkldnn, name, flag)


def _read_mkldnn() -> tuple[bool, ...]:
    return tuple(getattr(torch.backends.mkldnn, name) for name in _MKLDNN)


_MKLDNN = tuple(name for name in ("enabled", "deterministic") if hasattr(torch.backends.mkldnn, name))
_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")
_MATMUL = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")


def _flags(place: Any, names: tuple[str, ...]) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    def write(values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=True):
            setattr(place, name, value)

    return lambda: tuple(getattr(place, name) for name in names), write


def _flushes_denormals() -> bool:
    return bool((torch.full((1,), 1e-39, dtype=torch.float32) * 1.0 == 0).item())


def _replace(held: Any, content: Any) -> None:
    held.clear()
    held.update(content)


def _refilter(filters: list[Any]) -> None:
    warnings.resetwarnings()  # tells the compiled filter, which no public function does for a whole list
    warnings.filters[:] = filters  # type: ignore[index]


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


SETTINGS = (
    Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("torch's default device", torch.get_default_device, torch.set_default_device),
    Setting("the precision of matrix products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    Setting("CUDA's matrix product flags", *_flags(torch.backends.cuda.matmul, _MATMUL)),
    Setting("cuDNN's flags", *_flags(torch.backends.cudnn, _CUDNN)),
    Setting("oneDNN's flags", _read_mkldnn, _mkldnn),
    Setting(
        "torch's deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    Setting("torch's grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("torch's anomaly mode", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    Setting("torch's handling of denormal numbers", _flushes_denormals, torch.set_flush_denormal),
    Setting("numpy's error state", np.geterr, lambda value: np.seterr(**value)),
    Setting("numpy's error callback", np.geterrcall, np.seterrcall),
    Setting("the warning filters", lambda: list(warnings.filters), _refilter, libraries=True),
    Setting("environment variables", lambda: dict(os.environ), _set_environment, libraries=True),
    Setting("the working folder", os.getcwd, os.chdir),
    Setting(
        "the import path",
        lambda: list(sys.path),
        lambda value: sys.path.__setitem__(slice(None), value),
        libraries=True,
    ),
)
"""Settings that change what code of others computes, or whether it runs."""


@dataclass(frozen=True)
class ProcessState:
    """The shared state at one moment."""

    settings: tuple[Any, ...]
    functions: dict[str, tuple[Any, dict[str, Any]]]
    """Place by name, with its functions and classes by name."""
    hooks: tuple[dict[Any, Any], ...]

    @classmethod
    def now(cls) -> ProcessState:
        """Take note of everything."""
        places = _places()
        return cls(
            tuple(setting.read() for setting in SETTINGS),
            {name: (place, _functions(place)) for name, place in places.items()},
            tuple(dict(held) for held in _global_hooks()),
        )

    def restore(self) -> list[str]:
        """Put back what differs.

        Returns:
            What differed, for people.
        """
        changed = self.restore_settings()
        for name, (place, before) in self.functions.items():
            now = dict(vars(place))
            wrong = [k for k, v in before.items() if now.get(k) is not v and not _wrapped_by_torch(now.get(k), v)]
            # A function set on a class hides the one it inherits; modules gain names whenever they are imported.
            added = [key for key in _functions(place) if key not in before] if isinstance(place, type) else []
            added = [key for key in added if not _wrapped_by_torch(now[key], _inherited(place, key))]
            for key in wrong:
                setattr(place, key, before[key])
            for key in added:
                delattr(place, key)
            changed += [f"{name}.{key}" for key in wrong + added]
        for held, before in zip(_global_hooks(), self.hooks, strict=True):
            if dict(held) != before:
                _replace(held, before)
                changed.append("torch's global module hooks")
        return changed

    def restore_settings(self) -> list[str]:
        """The same for settings alone: cheap enough for every step."""
        changed = []
        for setting, before in zip(SETTINGS, self.settings, strict=True):
            if setting.read() != before:
                setting.write(before)
                changed += [] if setting.libraries else [setting.name]
        return changed


def _places() -> dict[str, Any]:
    """Modules and classes whose functions others call."""
    from torch import nn

    modules: list[types.ModuleType] = [torch, torch.nn.functional, torch.nn.init, torch.optim, torch.linalg, np]
    modules += [m for n, m in sys.modules.items() if n == "ttt_bench" or n.startswith("ttt_bench.")]
    places: dict[str, Any] = {module.__name__: module for module in modules}
    owned = [k for m in modules if m.__name__.startswith("ttt_bench") for k in vars(m).values() if isinstance(k, type)]
    classes = [k for k in (*vars(nn).values(), *vars(torch.optim).values(), *owned) if isinstance(k, type)]
    for each in dict.fromkeys(base for kind in (torch.Tensor, *classes) for base in kind.__mro__):
        if isinstance(each, type) and each.__module__.startswith(("torch", "ttt_bench")):
            places.setdefault(f"{each.__module__}.{each.__qualname__}", each)
    return places


def _functions(place: Any) -> dict[str, Any]:
    """Public functions and classes; private names and values may change for good reasons of the library's own."""
    special = ("__init__", "__call__", "__getattr__", "__setattr__")
    return {
        name: value
        for name, value in vars(place).items()
        if (callable(value) or isinstance(value, (staticmethod, classmethod, property)))
        and (not name.startswith("_") or name in special)
    }


def _wrapped_by_torch(value: Any, before: Any) -> bool:
    """Whether torch itself wrapped the function ``before``, as it does at first use of an optimiser."""
    owner = str(getattr(value, "__globals__", {}).get("__name__", ""))
    return owner.startswith("torch.") and getattr(value, "__wrapped__", None) is before


def _inherited(kind: type, name: str) -> Any:
    """What a class had for ``name`` before it got one of its own: AdamW steps as Adam does until it is first used."""
    return next((vars(base)[name] for base in kind.__mro__[1:] if name in vars(base)), None)


def _global_hooks() -> tuple[dict[Any, Any], ...]:
    module = torch.nn.modules.module
    names = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")
    return tuple(getattr(module, f"_global_{name}") for name in names)


@contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Inside, torch computes with ``count`` threads; afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def unchanged_process(what: str, seed: int = 0) -> Iterator[None]:
    """Whatever runs inside leaves the process as it was: settings, functions, generators, modules of methods.

    Inside, the global generators start from ``seed``, so that code which draws from them, against the contract, at
    least draws the same whatever ran before; and method files are imported anew, so that what their modules keep
    ends with the piece of work.

    Args:
        what: the piece of work, named in the warning when something had to be put back.
        seed: of the global generators of torch, numpy and Python.
    """
    state = ProcessState.now()
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(METHOD_MODULES)}
    numpy_before, python_before = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(
            devices=list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
        ):
            seed_everything(seed)
            yield
    finally:
        changed = state.restore()
        np.random.set_state(numpy_before)
        random.setstate(python_before)
        for name in [name for name in sys.modules if name.startswith(METHOD_MODULES)]:
            del sys.modules[name]
        sys.modules.update(kept)
        if changed:
            log.warning("%s changed %s; it was put back for what comes after.", what, ", ".join(changed[:8]))


def seed_everything(seed: int) -> None:
    """Seed the global generators, which no method is meant to use."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def generator_states() -> dict[str, bytes]:
    """The state of every global generator, comparable."""
    return {
        "torch's": torch.get_rng_state().numpy().tobytes(),
        "numpy's": repr(np.random.get_state()).encode() + np.random.get_state()[1].tobytes(),  # type: ignore[index]
        "Python's": repr(random.getstate()).encode(),
    }
