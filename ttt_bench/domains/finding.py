"""Finding families: ``domains/*/family.py``, installed entry points, and files given by path. Runs none of them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ttt_bench import plugins
from ttt_bench.domains.family import Family, Layout
from ttt_bench.errors import UserError
from ttt_bench.literals import literal, parse, place
from ttt_bench.plugins import PluginFile

HERE = Path(__file__).resolve().parent
KINDS: dict[str, type] = {"Family": Family, "Layout": Layout}


def families(extra: tuple[Path, ...] = ()) -> dict[str, Family]:
    """All families by name: the project's own, those of installed packages, and those in files given by path.

    Raises:
        UserError: a file is missing, declares no family or something that is not a literal, or two claim one name.
    """
    return _families((*_own(), *plugins.found("domain", extra=extra)))


@cache
def _own() -> tuple[PluginFile, ...]:
    """The project's own files, looked for once: plans ask for thousands of domains."""
    return tuple(PluginFile("domain", path) for path in sorted(HERE.glob("*/family.py")))


@cache
def _families(files: tuple[PluginFile, ...]) -> dict[str, Family]:
    return plugins.by_name(files, lambda file: [(family.name, family) for family in read_families(file)])


def read_families(file: PluginFile) -> list[Family]:
    """Every module-level ``NAME = Family(...)`` of a file, as literals.

    Raises:
        UserError: the file is missing, does not parse, declares no family, or one is not a literal.
    """
    constants: dict[str, ast.expr] = {}
    found = []
    for node in parse(file).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value: ast.expr | None = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            continue
        constants[target.id] = value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Family":
            written = _Named(constants).visit(value)
            family = _checked(literal(file, target.id, written, KINDS), file, value)
            found.append(replace(family, path=file.path, code=file.code))
    if not found:
        raise UserError(
            f"{file.path} declares no family of domains.",
            'It needs FAMILY = Family("name", title=..., tasks=(...), ...) with literals only.',
        )
    return found


class _Named(ast.NodeTransformer):
    """A constant's name stands for the literal above it."""

    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self.constants = constants

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(word) for word in node.keywords]
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        known = self.constants.get(node.id)
        return node if known is None else self.visit(known)


def _checked(family: Family, file: PluginFile, node: ast.AST) -> Family:
    fault = ""
    if not family.name or set(family.name) & set("+/=, "):
        fault = f"{family.name!r} cannot be a name of domains (none of + / = , and blank)"
    elif bool(family.layouts) == bool(family.opens):
        fault = f"{family.name} must have either layouts (files on disk) or opens (made by code)"
    if fault:
        raise UserError(f"{place(file, node)}: {fault}.")
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
        return importlib.import_module(f"{__package__}.{family.path.parent.name}.{name or family.path.stem}")
    return importlib.import_module(name) if name else plugins.load(PluginFile("domain", family.path, outside=True))
