"""What the sweeps of a folder asked of its report: metrics in Delta, and which accidents of a release were on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ttt_bench.report.groups import Group
from ttt_bench.store.folder import SweepFolder
from ttt_bench.tasks import metric_by_id


@dataclass(frozen=True)
class Requests:
    """Of all sweeps that wrote into a folder; where two disagree, the one run last decides."""

    metrics: tuple[str, ...] = ()
    """Ids for Delta; a task without one keeps its first metric."""
    accidents: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Cell -> switch that was on -> what it changed."""


def read_requests(folder: Path) -> Requests:
    """Read the settings that sweeps left in ``folder``; nothing where cells were merely copied there."""
    metrics: tuple[str, ...] = ()
    accidents: dict[str, Mapping[str, str]] = {}
    sweeps: list[dict[str, Any]] = SweepFolder(folder).sweeps() if (folder / "sweeps").is_dir() else []
    for settings in sweeps:
        metrics = tuple(settings.get("metrics", ()))
        on = settings.get("accidents", {})
        accidents |= {cell["id"]: on.get(cell["pair"], {}) for cell in settings["cells"]}
    return Requests(metrics, accidents)


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
