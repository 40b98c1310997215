"""Reading a method's file as text: its card, class variables and options, all literals. Loads no torch.

Whatever could be misread is refused with file, line and field, so that what is planned is what will run.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import typing
from collections.abc import Iterator
from typing import Any, Literal

from ttt_bench.choices import ANY, Joined, Range, check_range
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.literals import check_type, last_name, literal, parse, place, shown_source
from ttt_bench.method.card import Accident, Card, ImageForm, Needs, OptimizerSpec, SourceStage
from ttt_bench.method.info import Declared, MethodInfo
from ttt_bench.method.options import SETTINGS, Option, Value
from ttt_bench.plugins import PluginFile

KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (Card, OptimizerSpec, Accident, ImageForm, Needs, SourceStage)
}
LIMITS: dict[str, type] = {"Range": Range, "Joined": Joined}
TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
FIELDS = {field.name: field for field in dataclasses.fields(Declared)}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,39}")


@dataclasses.dataclass(frozen=True)
class _Assignment:
    """One ``name = value`` or ``name: annotation = value`` of a class body."""

    name: str
    value: ast.expr
    annotation: ast.expr | None
    node: ast.stmt

    @property
    def is_option(self) -> bool:
        """An annotated field is an option, unless it is a class variable."""
        return self.annotation is not None and last_name(_outer(self.annotation)) != "ClassVar"


def read_method(file: PluginFile) -> MethodInfo:
    """Name, card, class variables and options of the method defined in ``file``.

    Raises:
        UserError: it cannot be read, defines no method or two, or declares what is no literal, unknown or out of range.
    """
    methods = [node for node in parse(file).body if isinstance(node, ast.ClassDef) and _is_method(node)]
    if not methods:
        raise UserError(
            f"{file.path} defines no method.",
            "A method is a class deriving from ttt_bench.method.contract.Method with the literals `name` and `card`.",
        )
    if len(methods) > 1:
        raise UserError(
            f"{place(file, methods[1])}: {methods[1].name} is a second method in one file.", "Give each its own file."
        )
    return _info(file, methods[0])


def _is_method(node: ast.ClassDef) -> bool:
    names = {target.id for item in node.body for target in _targets(item)}
    return "card" in names or ("name" in names and "Method" in map(last_name, node.bases))


def _targets(item: ast.stmt) -> Iterator[ast.Name]:
    targets: list[ast.expr] = []
    if isinstance(item, ast.Assign):
        targets = item.targets
    elif isinstance(item, ast.AnnAssign) and item.value is not None:
        targets = [item.target]
    return (target for target in targets if isinstance(target, ast.Name))


def _info(file: PluginFile, node: ast.ClassDef) -> MethodInfo:
    assignments = list(_assignments(file, node))
    options = tuple(_option(file, each) for each in assignments if each.is_option)
    fields: dict[str, Any] = {}
    for each in assignments:
        if not each.is_option:
            fields[each.name] = _field(file, each)
    for required in ("name", "card"):
        if required not in fields:
            raise UserError(f"{place(file, node)}: {node.name} lacks the literal {required!r}.")
    if not NAME.fullmatch(fields["name"]) or fields["name"] == "all":
        raise UserError(
            f"{place(file, node)}: the name {fields['name']!r} cannot be written after --methods.",
            "Use letters, digits, '_', '.', '+' and '-', at most 40.",
        )
    info = MethodInfo(
        file=file,
        class_name=node.name,
        doc=ast.get_docstring(node) or "",
        declared=options,
        rules=_rules(node),
        code=file.code,
        **fields,
    )
    _check_whole(file, node, info)
    return info


def _rules(node: ast.ClassDef) -> Literal["none", "options", "all"]:
    if [last_name(base) for base in node.bases] != ["Method"] or node.keywords:
        return "all"
    return "options" if any(isinstance(n, ast.FunctionDef) and n.name == "__post_init__" for n in node.body) else "none"


def _assignments(file: PluginFile, node: ast.ClassDef) -> Iterator[_Assignment]:
    """Every declaration of a class body; private names are the class's own affair."""
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)):
            continue
        if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
            continue
        annotation = item.annotation if isinstance(item, ast.AnnAssign) else None
        names = list(_targets(item))
        value = item.value if isinstance(item, (ast.Assign, ast.AnnAssign)) else None
        if isinstance(item, ast.AnnAssign) and value is None and isinstance(item.target, ast.Name):
            if last_name(_outer(item.annotation)) == "ClassVar":
                continue
            raise UserError(
                f"{place(file, item)}: the option {item.target.id!r} has no default.", "Write name: type = default."
            )
        if value is None or len(names) != 1 or (isinstance(item, ast.Assign) and len(item.targets) != 1):
            raise UserError(
                f"{place(file, item)}: {shown_source(item)} cannot be read as a declaration.",
                "In a method's class write name = literal, one a line, and functions.",
            )
        if not names[0].id.startswith("_"):
            yield _Assignment(names[0].id, value, annotation, item)


def _outer(annotation: ast.expr) -> ast.expr:
    """``ClassVar`` of ``ClassVar[...]``, also where the annotation is written as a text."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return annotation
    return annotation.value if isinstance(annotation, ast.Subscript) else annotation


def _field(file: PluginFile, each: _Assignment) -> Any:
    if each.name not in FIELDS:
        raise UserError(
            f"{place(file, each.node)}: a method has no field {each.name!r}.",
            f"{did_you_mean(each.name, FIELDS)} An option is written {each.name}: type = default.",
        )
    value = literal(file, each.name, each.value, KINDS)
    check_type(place(file, each.node), each.name, value, typing.get_type_hints(Declared)[each.name])
    what = f"{place(file, each.node)}: {each.name}"
    if isinstance(value, OptimizerSpec):
        _check_optimizer(what, value)
    if isinstance(value, ImageForm) and value.native is not None:
        _check_optimizer(what, value.native)
    for stage in value if each.name == "source_stages" else ():
        _check_optimizer(f"{what}, {stage.name}", stage.optimizer)
        if not isinstance(stage.share, str):
            check_range(f"{what}, {stage.name}: share", stage.share, Range(above=0))
        check_range(f"{what}, {stage.name}: warmup", stage.warmup, Range(0, below=1))
    return value


def _check_optimizer(what: str, spec: OptimizerSpec) -> None:
    if (spec.lr == 0) == (spec.lr_per_sample == 0):
        raise UserError(f"{what} needs either lr or lr_per_sample.")
    for key in ("lr", "lr_per_sample", "momentum", "weight_decay"):
        if getattr(spec, key) != 0:  # a rate of 0 says that the other one is meant
            SETTINGS[key].read(what, getattr(spec, key))


# --- options -----------------------------------------------------------------------------------


def _option(file: PluginFile, each: _Assignment) -> Option:
    where = place(file, each.node)
    assert each.annotation is not None
    if each.name in SETTINGS or each.name in FIELDS:
        what = "an explicit setting of every method" if each.name in SETTINGS else "a field of every method"
        raise UserError(f"{where}: the option {each.name!r} is {what}.", "Choose another name.")
    kind, words, valid = _annotated(file, each.name, each.annotation)
    default: Value = literal(file, f"the default of {each.name}", each.value, {})
    if kind is float and type(default) is int:
        default = float(default)
    if type(default) is not kind:
        raise UserError(f"{where}: the option {each.name!r} is a {kind.__name__}, and its default is {default!r}.")
    option = Option(each.name, default, words, valid)
    try:
        option.read(file.path.stem, default)
    except UserError as error:
        raise UserError(f"{where}: the default of {error.message}", error.hint) from error
    return option


def _annotated(file: PluginFile, name: str, annotation: ast.expr) -> tuple[type, tuple[Value, ...], Range | Joined]:
    """Type, choices and limits of ``float``, ``Literal["a", "b"]``, ``Annotated[float, Range(0, 1)]``."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            annotation = ast.Name("?", ast.Load())
    plain = TYPES.get(last_name(annotation))
    if plain is not None:
        return plain, (), ANY
    if isinstance(annotation, ast.Subscript):
        inside = annotation.slice
        arguments = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
        outer = last_name(annotation.value)
        if outer == "Literal":
            words = tuple(literal(file, f"the choices of {name}", word, {}) for word in arguments)
            kinds = {type(word) for word in words}
            if len(kinds) == 1 and kinds <= {int, str}:
                return kinds.pop(), words, ANY
        if outer == "Annotated" and len(arguments) == 2:
            inner, words, _ = _annotated(file, name, arguments[0])
            limit = literal(file, f"the limits of {name}", arguments[1], LIMITS)
            if isinstance(limit, Joined if inner is str else Range) and inner is not bool:
                return inner, words, limit
    raise UserError(
        f"{place(file, annotation)}: the option {name!r} is annotated {shown_source(annotation)}.",
        "An option is bool, int, float, str, Literal[...] of words, or Annotated[float, Range(...)].",
    )


# --- what must agree ---------------------------------------------------------------------------


def _check_whole(file: PluginFile, node: ast.ClassDef, info: MethodInfo) -> None:
    where = place(file, node)
    shares = tuple(stage.share for stage in info.source_stages if isinstance(stage.share, str))
    named = {
        "source_options": info.source_options,
        "needs.unless": tuple(info.needs.unless),
        "needs.stage": (info.needs.stage,) if info.needs.stage else (),
        "image_form": tuple(info.image_form.options) if info.image_form else (),
        "card.tunable": tuple(info.card.tunable),
        "source_stages": shares,
        **{f"the accident {accident.switch}": tuple(accident.options) for accident in info.accidents},
    }
    for field, names in named.items():
        for name in names:
            if name not in info.options:
                raise UserError(
                    f"{where}: {field} names {name!r}, which is no option.", did_you_mean(name, info.options)
                )
    if info.needs.stage and type(info.options[info.needs.stage]) is not int:
        raise UserError(f"{where}: needs.stage names {info.needs.stage!r}, which is no whole number.")
    for share in shares:
        if type(info.options[share]) is not float or share not in info.source_options:
            raise UserError(f"{where}: source_stages names {share!r}, which is no fraction among source_options.")
    form = info.image_form.options if info.image_form else {}
    values = [info.needs.unless, form, *(accident.options for accident in info.accidents)]
    for option in info.declared:
        for given in values:
            if option.name in given:
                option.read(f"{where}: {info.name}", given[option.name])
        for value in info.card.tunable.get(option.name, ()):
            option.read(f"{where}: {info.name}", value)
            if option.name in info.source_options:
                raise UserError(f"{where}: card.tunable names {option.name!r}, which is fixed at source time.")
