"""What the sweeps of a folder asked of its report: metrics in Delta, and which accidents of a release were on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import chosen_metrics
from ttt_bench.store.folder import SweepFolder
from ttt_bench.tasks import metric_by_id


@dataclass(frozen=True)
class Requests:
    """Of all sweeps that wrote into a folder; where two disagree, the one run last decides."""

    metrics: tuple[str, ...] = ()
    """Ids for Delta; a task without one keeps its first metric."""
    accidents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Cell -> switch that was on -> what it changed."""
    others: tuple[tuple[str, ...], ...] = ()
    """What other sweeps asked for instead of ``metrics``."""
    warnings: tuple[str, ...] = ()
    """Files of requests that could not be read."""


def read_requests(folder: Path) -> Requests:
    """Read the settings that sweeps left in ``folder``; nothing where cells were merely copied there."""
    asked: list[tuple[str, ...]] = []
    accidents: dict[str, Mapping[str, str]] = {}
    store = SweepFolder(folder)
    sweeps: list[dict[str, Any]] = store.sweeps() if any((folder / "sweeps").glob("[!.]*.json")) else []
    for settings in sweeps:
        try:
            chosen_metrics(settings.get("metrics") or ())
        except UserError as error:
            store.warn(error)
        else:
            asked.append(tuple(settings.get("metrics") or ()))
        on = settings.get("accidents") or {}
        accidents |= {cell["id"]: on.get(cell.get("pair"), {}) for cell in settings["cells"]}
    last = asked[-1] if asked else ()
    others = tuple(dict.fromkeys(metrics for metrics in asked if metrics != last))
    return Requests(last, accidents, others, tuple(line.replace(f"{folder}/", "") for line in store.warnings))


def with_choice(group: Group, requests: Requests) -> Group:
    """``group`` with a note where the folder's sweeps ask for different metrics, so that nobody takes one for all."""
    if not requests.others:
        return group
    said = " and ".join(", ".join(metrics) or "each task's first metric" for metrics in requests.others)
    note = (
        "The sweeps in this folder ask for different metrics in Δ: the last one run decides "
        f"({', '.join(requests.metrics) or 'the first metric of each task'}); another asks for {said}. "
        "`report --metrics` takes any."
    )
    return replace(group, notes=(*group.notes, note))


def merged(given: Sequence[str], remembered: Iterable[str]) -> list[str]:
    """``given`` metric ids, and of ``remembered`` those of other tasks: what a command says wins."""
    tasks = {metric_by_id(id).task for id in given}
    return [*given, *(id for id in remembered if metric_by_id(id).task not in tasks)]


def with_accidents(group: Group, accidents: Mapping[str, Mapping[str, str]]) -> Group:
    """``group`` with the accidents of its runs; its ``notes`` say what each changed."""
    cells = [scored.run.cell_id for row in group.rows for scored in row.runs]
    on = [accidents.get(cell, {}) for cell in cells]
    effects = {name: said for each in on for name, said in each.items()}
    if not effects:
        return group
    names = [name + _reach(name, effects[name], on) for name in effects]
    said = "; ".join(f"{name}: {effect or 'nothing here'}" for name, effect in effects.items())
    return replace(
        group, accidents=tuple(names), notes=(*group.notes, f"Accidents of the S4T release that are on. {said}.")
    )


def _reach(name: str, effect: str, on: Sequence[Mapping[str, str]]) -> str:
    if not effect:
        return " (nothing here)"
    return "" if all(name in each for each in on) else " (some rows)"
