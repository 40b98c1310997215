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
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttt_bench.choices import check_once, shown
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.card import Accident, Card, OptimizerSpec
from ttt_bench.method.configured import MethodCall, configure
from ttt_bench.method.info import MethodInfo
from ttt_bench.method.options import Option

if TYPE_CHECKING:
    from ttt_bench.method.contract import Method

CONTROLS = ("base", "bn")
ENTRY_POINT_GROUP = "ttt_bench.methods"


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


def create(name: str, options: Mapping[str, Any] | None = None, extra: tuple[Path, ...] = ()) -> Method:
    """An instance of the method ``name`` with ``options``.

    Explicit settings of the optimiser may be among them, as in a cell's: they are the adapter's business.

    Raises:
        UserError: there is no such method, or it takes no such option or value.
    """
    info = find(name, extra)
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
            wanted += [MethodCall(known[each]) for each in sorted(known)]
        else:
            wanted.append(configure(find(name, extra), _parse_options(name, inside.removesuffix(")"))))
    if not wanted:
        raise UserError("--methods is empty.", "Give names separated by commas, or all.")
    calls = [MethodCall(known[name]) for name in CONTROLS if name in known] + wanted
    return [call for i, call in enumerate(calls) if call not in calls[:i]]


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
    options = tuple(
        Option(item.target.id, fields[item.target.id])
        for item in node.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and item.target.id in fields
        and "ClassVar" not in ast.unparse(item.annotation)
    )
    class_level = ("bn", "native", "branch", "statistics", "adapts", "source_options", "later_options", "accidents")
    return MethodInfo(
        path=path,
        class_name=node.name,
        doc=ast.get_docstring(node) or "",
        declared=options,
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
