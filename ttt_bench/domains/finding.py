"""Finding families: ``domains/*/family.py``, installed entry points, and files given by path. Runs none of them."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ttt_bench.domains.family import Family, Layout
from ttt_bench.errors import UserError, did_you_mean

ENTRY_POINT_GROUP = "ttt_bench.domains"
HERE = Path(__file__).resolve().parent
KINDS: dict[str, type] = {"Family": Family, "Layout": Layout}


@cache
def families(extra: tuple[Path, ...] = ()) -> dict[str, Family]:
    """All families by name: the project's own, those of entry points, and those in the files ``extra``.

    Raises:
        UserError: a file is missing, declares no family or something that is not a literal, or two claim one name.
    """
    own = sorted(HERE.glob("*/family.py"))
    outside = [_entry_file(point.name, point.module) for point in entry_points(group=ENTRY_POINT_GROUP)]
    found: dict[str, Family] = {}
    for path in (*own, *outside, *(path.resolve() for path in extra)):
        for family in read_families(path):
            other = found.get(family.name)
            if other is not None and other.path != path:
                raise UserError(f"{path} and {other.path} both define the family {family.name!r}.", "Rename one.")
            code = "" if path in own else hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            found[family.name] = replace(family, path=path, code=code)
    return found


def _entry_file(name: str, module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(f"The entry point {name!r} names {module!r}, which cannot be found.")
    return Path(spec.origin)


def read_families(path: Path) -> list[Family]:
    """Every module-level ``NAME = Family(...)`` of a file, as literals.

    Raises:
        UserError: the file is missing, does not parse, declares no family, or one is not a literal.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except OSError as error:
        raise UserError(f"The domain file {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"The domain file {path} does not parse: {error}.") from error
    constants: dict[str, ast.expr] = {}
    found = []
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value: ast.expr | None = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            continue
        constants[target.id] = value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Family":
            found.append(_checked(_literal(value, constants, path), path, value.lineno))
    if not found:
        raise UserError(
            f"{path} declares no family of domains.",
            'It needs FAMILY = Family("name", title=..., tasks=(...), ...) with literals only.',
        )
    return found


def _literal(node: ast.expr, constants: Mapping[str, ast.expr], path: Path) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
        kind = KINDS[node.func.id]
        valid = [field.name for field in fields(kind)]
        for word in node.keywords:
            if word.arg not in valid:
                hint = did_you_mean(str(word.arg), valid)
                raise UserError(f"{path}, line {node.lineno}: {node.func.id} has no field {word.arg!r}.", hint)
        positional = [_literal(arg, constants, path) for arg in node.args]
        try:
            return kind(*positional, **{str(w.arg): _literal(w.value, constants, path) for w in node.keywords})
        except TypeError as error:
            raise UserError(f"{path}, line {node.lineno}: {error}.") from error
    if isinstance(node, ast.Name) and node.id in constants:
        return _literal(constants[node.id], constants, path)
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_literal(item, constants, path) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise UserError(
            f"{path}, line {node.lineno}: {ast.unparse(node)!r} is not a literal.",
            "A declaration is read without running the file: write the value itself, or the name of a constant above.",
        ) from error


def _checked(family: Family, path: Path, line: int) -> Family:
    fault = ""
    if not family.name or set(family.name) & set("+/=, "):
        fault = f"{family.name!r} cannot be a name of domains (none of + / = , and blank)"
    elif bool(family.layouts) == bool(family.opens):
        fault = f"{family.name} must have either layouts (files on disk) or opens (made by code)"
    if fault:
        raise UserError(f"{path}, line {line}: {fault}.")
    return family


def resolve(family: Family, reference: str) -> Any:
    """The code that ``reference`` means in the declaration of ``family``; imports it.

    Raises:
        UserError: there is none.
    """
    name, _, attribute = reference.rpartition(":")
    module = _module(family, name)
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise UserError(f"{family.path}: {reference!r} names nothing in {module.__file__}.") from error


def _module(family: Family, name: str) -> ModuleType:
    if family.path.is_relative_to(HERE):
        package = f"{__package__}.{family.path.parent.name}"
        return importlib.import_module(f"{package}.{name or family.path.stem}")
    if name:
        return importlib.import_module(name)
    qualified = f"ttt_bench_domains.{family.code}.{family.path.stem}"
    if qualified not in sys.modules:
        spec = importlib.util.spec_from_file_location(qualified, family.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[qualified] = module  # dataclasses look their module up by name
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[qualified]
            raise
    return sys.modules[qualified]
