"""Commands that only look: methods, domains."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ttt_bench.method.info import MethodInfo
from ttt_bench.method.registry import discover, find

console = Console()


def show_methods(name: str, extra: tuple[Path, ...]) -> None:
    """List all methods, or print the card of one."""
    if name:
        _show_card(find(name, extra))
        return
    table = Table()
    for column in ("name", "method", "venue", "batch norm", "source part", "native optimiser"):
        table.add_column(column)
    for info in discover(extra).values():
        table.add_row(info.name, info.card.title, info.card.venue, info.bn, _source_part(info), _native(info))
    console.print(table)
    console.print("One method's card: python -m ttt_bench methods NAME", style="dim")


def _show_card(info: MethodInfo) -> None:
    card = info.card
    console.print(f"[bold]{card.title}[/bold]  ({info.name})")
    rows = [
        ("paper", card.paper),
        ("venue", card.venue),
        ("what it does", info.doc.split("\n\n")[0]),
        ("objective", card.equation),
        ("updates", card.updates),
        ("batch norm", info.bn),
        ("hooks", card.hooks),
        ("source part", _source_part(info)),
        ("native optimiser", _native(info)),
        ("defaults from", card.defaults),
        ("parity", f"{card.parity_cases} reference cases of the official code passed" if card.parity_cases else ""),
        *(("option", f"{key} = {value!r}") for key, value in info.options.items()),
        *(("deviation", line) for line in card.deviations),
        *(("official oddity", line) for line in card.oddities),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column()
    for key, value in rows:
        if value:
            grid.add_row(key, value)
    console.print(grid, markup=False)


def _source_part(info: MethodInfo) -> str:
    trained = {"none": "", "joint": "branch", "after": "branch, on the frozen network"}[info.branch]
    return " + ".join(part for part in (trained, "statistics" if info.statistics else "") if part) or "none"


def _native(info: MethodInfo) -> str:
    spec = info.native
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
    for column in ("domain", "what it is", "tasks", "classes", "needs"):
        table.add_column(column)
    for family in list_families(extra):
        needs = f"--data {family.name}=FOLDER" if family.needs_root else "nothing"
        rest = (" ".join(family.tasks), str(len(family.classes) or "as on disk"), needs)
        if family.severities:
            named = ", ".join(family.members)
            first, last = family.severities[0], family.severities[-1]
            table.add_row(f"{family.name}/KIND-{first}..{last}", f"{family.title}; kinds: {named}", *rest)
            continue
        for member, title in (family.titles() or {"": ""}).items():
            name = f"{family.name}/{member}" if member else family.name
            table.add_row(name, f"{family.title}: {title}" if title else family.title, *rest)
        if family.named_by_user:
            table.add_row(f"{family.name}/NAME", "another of the same", *rest[:2], f"--data {family.name}/NAME=FOLDER")
    console.print(table)
    console.print(
        "Any domain takes a corruption: nyudv2+fog:5 (15 ImageNet-C kinds, severities 1-5). "
        "A pair is source->target, in quotes.",
        style="dim",
    )
