"""Finding methods: every file in ``methods/`` (or given by path, or an entry point) is a plug-in.

Listing and planning read the files as text (names, cards and option defaults are literals), so they never load
torch; ``load`` imports one file when its code is needed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttt_bench import plugins
from ttt_bench.choices import check_once, shown
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.configured import MethodCall, configure
from ttt_bench.method.declared import FIELDS, read_method
from ttt_bench.method.info import MethodInfo
from ttt_bench.plugins import PluginFile

if TYPE_CHECKING:
    from ttt_bench.method.contract import Method

CONTROLS = ("base", "bn")


def methods_folder() -> Path:
    """``methods/`` beside the package in a clone, inside the package in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    clone = package.parent / "methods"
    return clone if (clone / "base.py").is_file() else package / "_methods"


def discover(extra: tuple[Path, ...] = ()) -> dict[str, MethodInfo]:
    """All methods by name: the folder's, those of installed entry points, and the files in ``extra``.

    Raises:
        UserError: a file is missing or is not a method, or two files claim one name.
    """
    return _discover(plugins.found("method", methods_folder(), extra))


@cache
def _discover(files: tuple[PluginFile, ...]) -> dict[str, MethodInfo]:
    def read(file: PluginFile) -> list[tuple[str, MethodInfo]]:
        info = read_method(file)
        return [(info.name, info)]

    return plugins.by_name(files, read)


def find(name: str, extra: tuple[Path, ...] = ()) -> MethodInfo:
    """The method called ``name``.

    Raises:
        UserError: there is none.
    """
    methods = discover(extra)
    if name not in methods:
        raise UserError(f"Unknown method {name!r}.", did_you_mean(name, methods))
    return methods[name]


def load(info: MethodInfo) -> type[Method]:
    """Import the file behind ``info`` and return its class.

    Raises:
        UserError: it cannot be imported, or says something else than what was read from its text.
    """
    loaded: Any = getattr(plugins.load(info.file), info.class_name, None)
    _check_loaded(info.written or info, loaded)
    method: type[Method] = loaded
    return method


def _check_loaded(info: MethodInfo, loaded: Any) -> None:
    from ttt_bench.method.contract import Method

    what = f"{info.path}: {info.class_name}"
    if not (isinstance(loaded, type) and issubclass(loaded, Method)):
        raise UserError(f"{what} does not derive from ttt_bench.method.contract.Method.")
    said: dict[str, object] = {name: getattr(loaded, name, None) for name in FIELDS}
    read: dict[str, object] = {name: getattr(info, name) for name in FIELDS}
    said |= {name: field.default for name, field in getattr(loaded, "__dataclass_fields__", {}).items()}
    read |= info.options
    if info.declared and not dataclasses.is_dataclass(loaded):
        raise UserError(f"{what} has options and is no dataclass.", "Write @dataclass(frozen=True) above it.")
    for name in (*said, *read):
        if name not in said or name not in read or said[name] != read[name]:
            raise UserError(
                f"{what}: {name} is {shown(said.get(name))} when the file runs, and {shown(read.get(name))} as it is "
                "written.",
                "Declare it in the class itself, as a literal, and do not change it afterwards.",
            )


def verify(call: MethodCall) -> None:
    """Refuse before training what only the loaded class can refuse: options that do not go together.

    Loads torch where a method has such rules: for options off their defaults, or where declarations are inherited.

    Raises:
        UserError: the class refuses them.
    """
    if call.info.rules == "all" or (call.info.rules == "options" and call.given):
        load(call.info)(**call.own)


def create(
    name: str,
    options: Mapping[str, Any] | None = None,
    extra: tuple[Path, ...] = (),
    tasks: Iterable[str] = (),
) -> Method:
    """An instance of the method ``name`` with ``options``, the others as is usual on ``tasks``.

    Explicit settings of the optimiser may be among them, as in a cell's: they are the adapter's business.

    Raises:
        UserError: there is no such method, or it takes no such option or value.
    """
    info = find(name, extra).on(tasks)
    return load(info)(**configure(info, options or {}).own)


def parse_methods(text: str, extra: tuple[Path, ...] = ()) -> list[MethodCall]:
    """``"all"`` or ``"tent(lr=1e-4),s4t(mask_ratio=0.5,strategy=task)"`` -> the calls, without repeats.

    The two controls always come first, asked for or not.

    Raises:
        UserError: a method, an option or a value is unknown.
    """
    known = discover(extra)
    wanted: list[MethodCall] = []
    for item in split_calls(text):
        name, _, inside = item.partition("(")
        if name == "all" and not inside:
            wanted += [MethodCall(known[each], optional=True) for each in sorted(known)]
        else:
            wanted.append(configure(find(name, extra), _parse_options(name, inside.removesuffix(")"))))
    if not wanted:
        raise UserError("--methods is empty.", "Give names separated by commas, or all.")
    calls = [MethodCall(known[name], optional=True) for name in CONTROLS if name in known] + wanted
    by_name = [call for call in calls if not call.optional]
    once = [call for i, call in enumerate(calls) if call not in calls[:i]]
    return [replace(call, optional=call not in by_name) for call in once]


def split_calls(text: str) -> list[str]:
    """The calls of a comma-separated list; commas within brackets do not separate.

    Raises:
        UserError: brackets do not match, or something stands behind one.
    """
    items = []
    for match in re.finditer(r"\s*(?P<call>[^,()\s]+\s*(\([^()]*\))?)?\s*(?P<end>,|$|.)", text, re.DOTALL):
        if match["end"] not in (",", ""):
            raise UserError(f"--methods {shown(text)} cannot be read.", "Write name,name(option=value,option=value).")
        if match["call"]:
            items.append(re.sub(r"\s+\(", "(", match["call"]))
    return items


def _parse_options(name: str, inside: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in inside.split(",") if part.strip()]
    for key, sign, value in pairs:
        if not sign or not value.strip():
            raise UserError(f"{name}: the option {shown(key.strip())} has no value.", "Write name(option=value).")
    keys = [key.strip() for key, _, _ in pairs]
    check_once(f"{name}({shown(inside)})", keys)
    return {key.strip(): value.strip() for key, _, value in pairs}
