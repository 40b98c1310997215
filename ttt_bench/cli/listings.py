"""Commands that only look: methods, domains."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ttt_bench.method.registry import MethodInfo, discover, find

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
    if not info.adapts or info.name == "bn":
        return "none"
    spec = info.native
    rate = f"{spec.lr_per_sample:g} x batch" if spec.lr_per_sample else f"{spec.lr:g}"
    details = [f"momentum {spec.momentum:g}"] * bool(spec.momentum) + ["nesterov"] * spec.nesterov
    details += [f"wd {spec.weight_decay:g}"] * bool(spec.weight_decay)
    return ", ".join([f"{spec.name} {rate}", *details])


def show_domains() -> None:
    """List all domains."""
    from ttt_bench.domains.catalogue import list_domains

    table = Table()
    for column in ("domain", "what it is", "tasks", "classes", "needs"):
        table.add_column(column)
    for entry in list_domains():
        needs = f"--data {entry.name}=FOLDER" if entry.needs_root else "nothing"
        table.add_row(entry.name, entry.description, " ".join(entry.tasks), str(len(entry.classes)), needs)
    console.print(table)
    console.print(
        "Any domain takes a corruption: nyudv2+fog:5 (15 ImageNet-C kinds, severities 1-5). "
        "A pair is source->target, in quotes.",
        style="dim",
    )
