"""Reading what a plug-in's file declares, as text: literals, and calls of declared dataclasses on literals. No torch.

A declaration that is no literal is an error: passed over, it would be missing from identities, and two settings could
share one checkpoint.
"""

from __future__ import annotations

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.plugins import PluginFile, read_source


def parse(file: PluginFile) -> ast.Module:
    """The file's syntax tree.

    Raises:
        UserError: it cannot be read or does not parse.
    """
    try:
        return ast.parse(read_source(file), filename=str(file.path))
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise UserError(f"The {file.kind} file {file.path} does not parse: {error.msg}{where}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"The {file.kind} file {file.path} does not parse: {error or type(error).__name__}.") from error


def place(file: PluginFile, node: ast.AST) -> str:
    """``FILE:LINE`` of ``node``, as messages begin."""
    return f"{file.path}:{getattr(node, 'lineno', 1)}"


def literal(file: PluginFile, field: str, node: ast.expr, kinds: Mapping[str, type]) -> Any:
    """The value of an expression made of literals and of calls of ``kinds``.

    Args:
        file: where it stands, for messages.
        field: what it is the value of, for messages.
        node: the expression.
        kinds: dataclasses that may be called, by name.

    Raises:
        UserError: it is something else; the message names file, line and field.
    """
    if isinstance(node, ast.Call):
        name = last_name(node.func)
        if name in kinds:
            return _call(file, field, node, name, kinds)
    if isinstance(node, (ast.Tuple, ast.List)) and not any(isinstance(item, ast.Starred) for item in node.elts):
        items = [literal(file, field, item, kinds) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise UserError(
            f"{place(file, node)}: {field} is not a literal: {shown_source(node)}.",
            "Write the value itself: it is read without running the file.",
        ) from error


def _call(file: PluginFile, field: str, node: ast.Call, name: str, kinds: Mapping[str, type]) -> Any:
    kind, where = kinds[name], place(file, node)
    fields = [f for f in dataclasses.fields(kind) if f.init]
    names = [f.name for f in fields]
    if len(node.args) > len(names) or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise UserError(f"{where}: {field} gives {name} more than it takes.", f"It takes {', '.join(names)}.")
    values = dict(zip(names, (literal(file, f"{field}, {name}", arg, kinds) for arg in node.args), strict=False))
    for word in node.keywords:
        if word.arg is None:
            raise UserError(
                f"{where}: {field} is not a literal: {shown_source(node)}.", "Write out what ** stands for."
            )
        if word.arg not in names:
            raise UserError(f"{where}: {field}: {name} has no field {word.arg!r}.", did_you_mean(word.arg, names))
        if word.arg in values:
            raise UserError(f"{where}: {field}: {name} is given {word.arg!r} twice.")
        values[word.arg] = literal(file, f"{field}, {name}.{word.arg}", word.value, kinds)
    lacking = [
        f.name
        for f in fields
        if f.name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise UserError(f"{where}: {field}: {name} lacks {', '.join(lacking)}.", f"Write {name}({lacking[0]}=...).")
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        check_type(where, f"{field}, {name}.{key}", value, hints[key])
    try:
        return kind(**values)
    except UserError as error:
        raise UserError(f"{where}: {field}: {error.message}", error.hint) from error


def check_type(where: str, field: str, value: object, hint: Any) -> None:
    """Refuse a value that is not what the annotation says.

    Raises:
        UserError: it is not; words of a ``Literal`` come with the nearest one.
    """
    if _conforms(value, hint):
        return
    if typing.get_origin(hint) is typing.Literal:
        words = [str(word) for word in typing.get_args(hint)]
        raise UserError(f"{where}: {field} {value!r} is unknown.", did_you_mean(str(value), words))
    name = getattr(hint, "__name__", str(hint)) if typing.get_origin(hint) is None else str(hint)
    raise UserError(f"{where}: {field} must be {name.replace('typing.', '')}, not {value!r}.")


def _conforms(value: object, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin is typing.Literal:
        return any(value == word and type(value) is type(word) for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return any(_conforms(value, each) for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(_conforms(item, arguments[0]) for item in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(
            _conforms(k, arguments[0]) and _conforms(v, arguments[1]) for k, v in value.items()
        )
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint or type(None))


def last_name(node: ast.expr) -> str:
    """``Card`` of ``Card`` and of ``contract.Card``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def shown_source(node: ast.AST) -> str:
    """A piece of a file as a message quotes it: short, on one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
