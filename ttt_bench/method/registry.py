"""Finding methods: every file in ``methods/`` (or given by path, or an entry point) is a plug-in.

Listing and planning read the files as text (names, cards and option defaults are literals), so they never load
torch; ``load`` imports one file when its code is needed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.card import PAPER_RECIPE, Accident, Card, OptimizerSpec

if TYPE_CHECKING:
    from ttt_bench.method.contract import Method

CONTROLS = ("base", "bn")
ENTRY_POINT_GROUP = "ttt_bench.methods"


@dataclass(frozen=True)
class MethodInfo:
    """What a method's file says, read without importing it."""

    name: str
    path: Path
    class_name: str
    doc: str
    card: Card
    bn: str = "track"
    native: OptimizerSpec = PAPER_RECIPE
    branch: str = "none"
    statistics: bool = False
    adapts: bool = True
    source_options: tuple[str, ...] = ()
    later_options: tuple[str, ...] = ()
    accidents: tuple[Accident, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    """Option names with their default values."""
    code: str = ""
    """Hash of the file, for methods from outside: their results must not outlive an edit. The project's own
    methods raise ``SCHEMA`` instead, so that a comment does not cost a sweep."""


def methods_folder() -> Path:
    """``methods/`` beside the package in a clone, inside the package in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    clone = package.parent / "methods"
    return clone if (clone / "base.py").is_file() else package / "_methods"


@cache
def discover(extra: tuple[Path, ...] = ()) -> dict[str, MethodInfo]:
    """All methods by name: the folder's, those of installed entry points, and the files in ``extra``.

    Raises:
        UserError: a file is missing, is not a method, or two files claim one name.
    """
    own = sorted(methods_folder().glob("[!_]*.py"))
    outside = []
    for point in entry_points(group=ENTRY_POINT_GROUP):
        spec = importlib.util.find_spec(point.module)
        if spec is None or spec.origin is None:
            raise UserError(f"The entry point {point.name!r} names {point.module!r}, which cannot be found.")
        outside.append(Path(spec.origin))
    found: dict[str, MethodInfo] = {}
    outside += [path.resolve() for path in extra]
    for path in [*own, *outside]:
        info = read_method(path)
        if path in outside:
            info = replace(info, code=hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        other = found.get(info.name)
        if other is not None and other.path != path:
            raise UserError(f"{path} and {other.path} both define the method {info.name!r}.", "Rename one.")
        found[info.name] = info
    return found


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
    """Import the file behind ``info`` and return its class."""
    module_name = f"ttt_bench_methods.{info.path.stem}"
    module = sys.modules.get(module_name)
    if module is None or Path(str(module.__file__)).resolve() != info.path.resolve():
        spec = importlib.util.spec_from_file_location(module_name, info.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # dataclasses look their module up by name
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]
            raise
    loaded: type[Method] = getattr(module, info.class_name)
    return loaded


def create(name: str, options: dict[str, Any] | None = None, extra: tuple[Path, ...] = ()) -> Method:
    """An instance of the method ``name`` with ``options``."""
    info = find(name, extra)
    return load(info)(**complete_options(info, options or {}))


def parse_methods(text: str, extra: tuple[Path, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    """``"all"`` or ``"tent,s4t(mask_ratio=0.5,strategy=none)"`` -> [(name, all options), ...].

    The two controls always come first, asked for or not.

    Raises:
        UserError: a method, an option or a value is unknown.
    """
    known = discover(extra)
    wanted: list[tuple[str, dict[str, Any]]] = []
    for item in re.findall(r"[^,(\s]+(?:\([^)]*\))?", text):
        name, _, inside = item.partition("(")
        if name == "all":
            wanted += [(each, {}) for each in sorted(known)]
        else:
            wanted.append((find(name, extra).name, _parse_options(inside.rstrip(")"))))
    if not wanted:
        raise UserError("--methods is empty.", "Give names separated by commas, or all.")
    controls: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in CONTROLS if name in known]
    complete = [(name, complete_options(known[name], options)) for name, options in controls + wanted]
    return [entry for i, entry in enumerate(complete) if entry not in complete[:i]]


def _parse_options(inside: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in inside.split(",") if part.strip()]
    for key, sign, _ in pairs:
        if not sign:
            raise UserError(f"The option {key!r} has no value.", "Write name(option=value,option=value).")
    return {key.strip(): value.strip() for key, _, value in pairs}


def complete_options(info: MethodInfo, options: dict[str, Any]) -> dict[str, Any]:
    """Defaults overlaid with ``options``, each of the type of its default.

    Raises:
        UserError: an option is unknown or its value does not parse.
    """
    result = dict(info.options)
    for key, value in options.items():
        if key not in result:
            raise UserError(f"{info.name} has no option {key!r}.", did_you_mean(key, result))
        result[key] = _coerce(info.name, key, value, result[key])
    return result


def _coerce(name: str, key: str, value: Any, default: Any) -> Any:
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        table = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if value.lower() in table:
            return table[value.lower()]
    else:
        try:
            return type(default)(value)
        except (TypeError, ValueError):
            pass
    raise UserError(f"{name}({key}={value}): {value!r} is not a {type(default).__name__}.")


# --- reading a file without running it ---------------------------------------------------------


def read_method(path: Path) -> MethodInfo:
    """Read name, card and options of the method defined in ``path``.

    Raises:
        UserError: the file is missing, does not parse, or defines no method.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except FileNotFoundError as error:
        raise UserError(f"The method file {path} does not exist.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"The method file {path} does not parse: {error}.") from error
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            fields = _class_fields(node)
            if "name" in fields and "card" in fields:
                return _info(path, node, fields)
    raise UserError(
        f"{path} defines no method.",
        "A method is a class deriving from ttt_bench.method.contract.Method with the literals `name` and `card`.",
    )


def _info(path: Path, node: ast.ClassDef, fields: dict[str, Any]) -> MethodInfo:
    options = {
        item.target.id: fields[item.target.id]
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and item.target.id in fields
        and "ClassVar" not in ast.unparse(item.annotation)
    }
    class_level = ("bn", "native", "branch", "statistics", "adapts", "source_options", "later_options", "accidents")
    return MethodInfo(
        path=path,
        class_name=node.name,
        doc=ast.get_docstring(node) or "",
        options=options,
        name=fields["name"],
        card=fields["card"],
        **{key: fields[key] for key in class_level if key in fields},
    )


def _class_fields(node: ast.ClassDef) -> dict[str, Any]:
    fields = {}
    for item in node.body:
        targets: Iterable[ast.expr] = ()
        value: ast.expr | None = None
        if isinstance(item, ast.Assign):
            targets, value = item.targets, item.value
        elif isinstance(item, ast.AnnAssign):
            targets, value = (item.target,), item.value
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    fields[target.id] = _literal(value)
                except ValueError:
                    continue  # not a literal: not part of what the file declares
    return fields


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        kinds: dict[str, type] = {"Card": Card, "OptimizerSpec": OptimizerSpec, "Accident": Accident}
        if node.func.id in kinds:
            positional = [_literal(arg) for arg in node.args]
            named = {str(word.arg): _literal(word.value) for word in node.keywords}
            return kinds[node.func.id](*positional, **named)
    if isinstance(node, ast.Tuple):
        return tuple(_literal(item) for item in node.elts)
    return ast.literal_eval(node)
