"""All tasks by name. No torch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Literal

from ttt_bench import plugins
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.tasks.contract import Metric, Output, Task

Track = Literal["dense", "class"]

TASKS: dict[str, Task] = {}
"""Every known task in the one order used everywhere: by rank, then by name."""


def add_task(task: type[Task]) -> None:
    """Make ``task`` known in this process.

    Raises:
        UserError: another task has its name, or a part of it is missing or contradicts another.
    """
    name = getattr(task, "name", task.__name__)
    known = TASKS.get(name)
    if known is not None and type(known) is not task:
        raise UserError(f"Two tasks are called {name!r}: {_place(type(known))} and {_place(task)}.", "Rename one.")
    _check(task, name)
    TASKS[name] = task()
    for other in sorted(TASKS.values(), key=lambda each: (each.rank, each.name)):
        TASKS[other.name] = TASKS.pop(other.name)


def add_module(module: ModuleType) -> None:
    """Make every task that ``module`` defines known in this process: how a plug-in's file takes part.

    Raises:
        UserError: it defines none, or one is not whole.
    """
    own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    tasks = [each for each in own if issubclass(each, Task)]
    if not tasks:
        raise UserError(f"{module.__file__} defines no task.", "A task is a subclass of ttt_bench.tasks.Task.")
    for task in tasks:
        add_task(task)


def _use_given() -> None:
    """Make the tasks of installed packages and of files given by path known, and those of before unknown.

    Raises:
        UserError: a file cannot be read, defines no task, or one is not whole.
    """
    for name in [name for name, task in TASKS.items() if type(task) not in _OWN]:
        del TASKS[name]
    for file in plugins.found("task"):
        add_module(plugins.load(file))


def outside_code(names: Iterable[str]) -> dict[str, str]:
    """Name -> hash of the file of every task among ``names`` that is not the project's own."""
    files = {file.path: file for file in plugins.found("task")}
    found = {}
    for name in names:
        task = type(get_task(name))
        if task not in _OWN:
            file = files.get(Path(_place(task)).resolve())
            found[name] = file.code if file else "unknown"
    return found


def _check(task: type[Task], name: str) -> None:
    required = ("name", "title", "channels", "output", "label", "metrics")
    missing = [part for part in required if not hasattr(task, part)] + sorted(task.__abstractmethods__)
    if missing:
        raise UserError(f"The task {name!r} in {_place(task)} lacks {', '.join(missing)}.", "See tasks/contract.py.")
    wrong = [metric.id for metric in task.metrics for id in (metric.id, metric.statistic) if id.split("/")[0] != name]
    if wrong or not task.metrics:
        raise UserError(
            f"The task {name!r} in {_place(task)} has {'metrics of another task' if wrong else 'no metric'}.",
            f"Ids of metrics and statistics begin with {name}/.",
        )
    if task.label.extent != task.extent:
        raise UserError(f"The task {name!r} in {_place(task)} is one per {task.extent}, its label is not.")


def _place(task: type[Task]) -> str:
    return str(getattr(sys.modules.get(task.__module__), "__file__", task.__module__))


def get_task(name: str) -> Task:
    """Look a task up by name.

    Raises:
        UserError: there is no such task.
    """
    if name not in TASKS:
        raise UserError(f"Unknown task {name!r}.", did_you_mean(name, TASKS))
    return TASKS[name]


def metric_by_id(id: str) -> Metric:
    """Look a metric up by its id.

    Raises:
        UserError: there is no such metric.
    """
    task = TASKS.get(id.partition("/")[0])  # a large report asks a hundred thousand times: its task alone is looked at
    for metric in task.metrics if task else ():
        if metric.id == id:
            return metric
    known = [metric.id for task in TASKS.values() for metric in task.metrics]
    raise UserError(f"Unknown metric {id!r}.", did_you_mean(id, known))


def parse_tasks(names: str) -> tuple[str, ...]:
    """``"edge,semseg"`` -> ``("semseg", "edge")``: valid, without repeats, in the fixed order.

    Raises:
        UserError: a name is unknown or none is given.
    """
    wanted = {get_task(name.strip()).name for name in names.split(",") if name.strip()}
    if not wanted:
        raise UserError("--tasks is empty.", "Valid: " + ", ".join(TASKS) + ".")
    return tuple(name for name in TASKS if name in wanted)


def of_kind(names: Iterable[str], output: Output) -> tuple[str, ...]:
    """Those of ``names`` whose output is of that kind, in their order; what is no task has no kind."""
    return tuple(name for name in names if name in TASKS and TASKS[name].output == output)


def per_image(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the tasks ``names`` that have one prediction per image, in their order."""
    return tuple(name for name in names if get_task(name).extent == "image")


def only_images(names: Iterable[str]) -> bool:
    """Whether there are tasks among ``names`` and each has one prediction per image: what image classification is."""
    asked = tuple(names)
    return bool(asked) and all(name in TASKS and TASKS[name].extent == "image" for name in asked)


def track_tasks(track: Track) -> tuple[str, ...]:
    """The project's own tasks of a track, in order: what inspectors take, whatever plug-ins are there."""
    extent = "map" if track == "dense" else "image"
    return tuple(task.name for task in TASKS.values() if task.extent == extent and type(task) in _OWN)


def _find_own() -> tuple[type[Task], ...]:
    """The tasks of this folder: whichever file says that it defines one. The others may load torch."""
    found: list[type[Task]] = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if "(Task):" in path.read_text(encoding="utf-8") and path.stem != "catalogue":
            module = importlib.import_module(f"{__package__}.{path.stem}")
            found += [each for each in vars(module).values() if isinstance(each, type) and each.__base__ is Task]
    return tuple(found)


_OWN = _find_own()
for _task in _OWN:
    add_task(_task)
plugins.follow(_use_given)
