"""Commands that only look: methods, domains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ttt_bench.cli.console import console
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.info import MethodInfo
from ttt_bench.method.options import Option
from ttt_bench.method.registry import discover, find

if TYPE_CHECKING:
    from ttt_bench.domains.family import Family


def show_methods(name: str, extra: tuple[Path, ...]) -> None:
    """List all methods, or print the card of one."""
    if name:
        _show_card(find(name, extra))
        return
    table = Table()
    for column in ("name", "method", "venue", "batch norm", "source part", "native optimiser"):
        table.add_column(column)
    for info in discover(extra).values():
        table.add_row(info.name, info.card.title, info.card.venue, info.bn, _source_part(info), _native(info.native))
    console.show(table)
    console.print("One method's card: python -m ttt_bench methods NAME", style="dim")


def _show_card(info: MethodInfo) -> None:
    card = info.card
    console.print(f"{card.title}  ({info.name})", style="bold")
    rows = [
        ("paper", card.paper),
        ("venue", card.venue),
        ("what it does", info.doc.split("\n\n")[0]),
        ("objective", card.equation),
        ("updates", card.updates),
        ("batch norm", info.bn),
        ("hooks", card.hooks),
        ("source part", _source_part(info)),
        ("native optimiser", _native(info.native)),
        ("defaults from", card.defaults),
        ("parity", f"{card.parity_cases} reference cases of the official code passed" if card.parity_cases else ""),
        *(("option", _option(option)) for option in info.declared),
        ("for images", _image_form(info)),
        *(("deviation", line) for line in card.deviations),
        *(("official oddity", line) for line in card.oddities),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column()
    for key, value in rows:
        if value:
            grid.add_row(key, value)
    console.show(grid)


def _option(option: Option) -> str:
    return f"{option.name} = {option.default!r}" + f"  ({option.limits})" * bool(option.limits)


def _image_form(info: MethodInfo) -> str:
    if info.image_form is None:
        return ""
    changes = [f"{name} = {value!r}" for name, value in info.image_form.options.items()]
    return ", ".join([*changes, *([_native(info.image_form.native)] if info.image_form.native else [])])


def _source_part(info: MethodInfo) -> str:
    trained = {"none": "", "joint": "branch", "after": "branch, on the frozen network"}[info.branch]
    return " + ".join(part for part in (trained, "statistics" if info.statistics else "") if part) or "none"


def _native(spec: OptimizerSpec | None) -> str:
    if spec is None:
        return "none"
    rate = f"{spec.lr_per_sample:g} x batch" if spec.lr_per_sample else f"{spec.lr:g}"
    details = [f"momentum {spec.momentum:g}"] * bool(spec.momentum) + ["nesterov"] * spec.nesterov
    details += [f"wd {spec.weight_decay:g}"] * bool(spec.weight_decay)
    return ", ".join([f"{spec.name} {rate}", *details])


def show_domains(extra: tuple[Path, ...] = ()) -> None:
    """List all domains; those of one family with severities on one line."""
    from ttt_bench.domains.catalogue import list_families

    table = Table()
    table.add_column("domain", no_wrap=True)
    for column in ("what it is", "tasks", "classes", "needs"):
        table.add_column(column)
    for family in list_families(extra):
        needs = "files" if family.needs_root else "nothing"
        rest = (" ".join(family.tasks), str(len(family.classes) or "as found"), needs)
        for name, title in _lines(family):
            table.add_row(name, title, *rest)
    console.show(table)
    for line in (
        "Files are given as --data NAME=FOLDER, NAME being what stands before the slash; all about one: "
        "python -m ttt_bench domains NAME.",
        "Any domain takes a corruption: nyudv2+fog:5 (15 ImageNet-C kinds, severities 1-5). "
        "A pair is source->target, in quotes.",
    ):
        console.print(line, style="dim")


def _lines(family: Family) -> list[tuple[str, str]]:
    """(name, what it is) of what a family offers, severities as a range."""
    if family.severities:
        first, last = family.severities[0], family.severities[-1]
        return [(f"{family.name}/KIND-{first}..{last}", f"{family.title}; {len(family.members)} kinds")]
    lines = [(f"{family.name}/{m}", f"{family.title}: {t}" if t else family.title) for m, t in family.titles().items()]
    lines = lines or [(family.name, family.title)]
    return [*lines, (f"{family.name}/NAME", "another of the same kind")] if family.named_by_user else lines


def show_family(name: str, extra: tuple[Path, ...] = ()) -> None:
    """Everything that a family says about itself."""
    from ttt_bench.domains.catalogue import environment_variable, families

    known = families(extra)
    if name not in known:
        raise UserError(f"Unknown family of domains {name!r}.", did_you_mean(name, known))
    family = known[name]
    print(f"{family.name}: {family.title}")
    members = [text.partition(":")[0] for text in family.members]
    severities = ", ".join(map(str, family.severities))
    rows = [
        ("tasks", ", ".join(family.tasks)),
        ("classes", ", ".join(family.classes) or "as found in the files"),
        ("written as", f"{name}/NAME with NAME one of {', '.join(members)}" if members else name),
        ("severities", f"{severities}: {name}/{members[0]}-{severities[0]}" if severities else ""),
        ("splits", ", ".join(family.splits)),
        ("size", f"{family.size[0]}x{family.size[1]}" if family.size else ""),
        ("scaling", family.scaling),
        *(("layout", f"{layout.name}: {layout.holds}") for layout in family.layouts),
        ("files", f"--data {name}=FOLDER, or {environment_variable(name)}" if family.needs_root else ""),
        ("download", family.download),
        ("declared in", str(family.path)),
    ]
    for key, value in rows:
        if value:
            print(f"  {key}: {value}")
