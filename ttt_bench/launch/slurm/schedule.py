"""A plan as Slurm job arrays: what runs first, what waits for what, what shares a task. Pure functions, no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import get_args

from ttt_bench.plan.work import Decode, Stage, Work

STAGES: tuple[Stage, ...] = get_args(Stage)

MOST_GROUPS = 24
"""Cells that wait for different trainings go into different arrays, up to this many per stage."""

Place = tuple[int, int]
"""(array, task) within one schedule."""


@dataclass(frozen=True)
class Task:
    """What one element of an array does, one after the other."""

    works: tuple[Work, ...]
    seconds: float
    """Forecast."""


@dataclass(frozen=True)
class JobArray:
    """One ``sbatch`` submission."""

    stage: Stage
    tasks: tuple[Task, ...]
    after: tuple[tuple[int, int | None], ...] = ()
    """Earlier (array, task) of the same schedule that must have ended; task None: the whole array."""
    after_jobs: tuple[str, ...] = ()
    """Elements of earlier submissions that must have ended, as Slurm names them."""
    parallelism: int = 1
    """Tasks that run at once (``%N``)."""

    @property
    def seconds(self) -> float:
        """Forecast of all tasks together."""
        return sum(task.seconds for task in self.tasks)


@dataclass(frozen=True)
class Limits:
    """What the site and the profile allow."""

    array_size: int = 1000
    """Slurm's ``MaxArraySize``: the largest index is one less, so it is also the largest array."""
    parallelism: int = 16
    task_seconds: float = 1800.0


@dataclass(frozen=True)
class Schedule:
    """All arrays, in the order in which they are submitted."""

    arrays: tuple[JobArray, ...]

    @property
    def works(self) -> list[Work]:
        """Everything that is submitted."""
        return [work for array in self.arrays for task in array.tasks for work in task.works]

    @property
    def seconds(self) -> float:
        """Forecast of all tasks together."""
        return sum(array.seconds for array in self.arrays)


@dataclass
class Selection:
    """What of a plan is to be submitted, and what is not."""

    open: list[Work] = field(default_factory=list)
    failed: list[Work] = field(default_factory=list)
    """Failed earlier, and nobody asked to try them again."""
    blocked: list[Work] = field(default_factory=list)
    """Need something that failed."""
    done: int = 0
    queued: int = 0
    """Goals that an earlier submission will still do."""


def select(
    works: Iterable[Work], done: Collection[str], given_up: Collection[str], queued: Mapping[str, str]
) -> Selection:
    """Sort ``works`` (dependencies first) into what to submit and what not.

    Args:
        works: the whole plan.
        done: identities whose product is there.
        given_up: identities that failed and are not to be tried again.
        queued: identities that an earlier submission will do, with the job element that does.
    """
    result, dead = Selection(), set()
    for work in works:
        if work.id in done:
            result.done += work.goal
        elif work.id in queued:
            result.queued += work.goal
        elif work.id in given_up:
            result.failed.append(work)
            dead.add(work.id)
        elif work.needs & dead:
            result.blocked.append(work)
            dead.add(work.id)
        else:
            result.open.append(work)
    result.open = without_idle(result.open)
    return result


def without_idle(works: Sequence[Work]) -> list[Work]:
    """``works`` without trainings and data that no goal among them needs."""
    needed: set[str] = set()
    kept = []
    for work in reversed(works):  # dependants come after what they need
        if work.goal or work.id in needed:
            needed |= work.needs
            kept.append(work)
    return kept[::-1]


def schedule(
    works: Sequence[Work], forecast: Callable[[Work], float], limits: Limits, queued: Mapping[str, str] | None = None
) -> Schedule:
    """Lay ``works`` (open ones only, dependencies first) out as arrays.

    A task needs only what lies in earlier arrays, in ``queued`` or in itself before it. Cells wait just for the
    tasks they need: those whose training is there start at once.
    """
    queued = queued or {}
    places: dict[str, Place] = {}
    arrays: list[JobArray] = []
    for stage in STAGES:
        new: list[JobArray] = []
        own = [work for work in works if work.stage == stage]
        # Long tasks must not leave slots empty that shorter ones would fill.
        length = min(limits.task_seconds, sum(map(forecast, own)) / limits.parallelism) if stage == "adapt" else 0.0
        for bundles in _groups(own, places, queued, min(MOST_GROUPS, limits.parallelism)):
            tasks = _tasks(bundles, forecast, length)
            for first in range(0, len(tasks), limits.array_size):
                chunk = tuple(tasks[first : first + limits.array_size])
                after, after_jobs = _dependencies(chunk, places, queued, arrays)
                new.append(JobArray(stage, chunk, after, after_jobs))
        shares = share(limits.parallelism, [len(array.tasks) for array in new])
        for array, parallelism in zip(new, shares, strict=True):
            for index, task in enumerate(array.tasks):
                places |= {work.id: (len(arrays), index) for work in task.works}
            arrays.append(JobArray(array.stage, array.tasks, array.after, array.after_jobs, parallelism))
    return Schedule(tuple(arrays))


def share(total: int, sizes: Sequence[int]) -> list[int]:
    """Divide ``total`` simultaneous tasks among arrays in proportion to their sizes, at least one each.

    Their sum is at most ``total`` wherever there are no more arrays than that.
    """
    shares = [1] * len(sizes)
    left = total - len(sizes)
    while left > 0:
        growing = [i for i, size in enumerate(sizes) if shares[i] < size]
        if not growing:
            break
        neediest = max(growing, key=lambda i: (sizes[i] / shares[i], -i))
        shares[neediest] += 1
        left -= 1
    return shares


Bundle = tuple[Work, ...]


def _groups(works: list[Work], places: Mapping[str, Place], queued: Mapping[str, str], most: int) -> list[list[Bundle]]:
    """Works of one stage, grouped by what they wait for, in at most ``most`` groups."""
    groups: dict[frozenset[str], list[Bundle]] = {}
    for bundle in _with_their_data(works):
        waits = frozenset(n for work in bundle for n in work.needs if n in places or n in queued)
        groups.setdefault(waits, []).append(bundle)
    merged = list(groups.values())
    size = -(-len(merged) // most)
    return [list(chain(*merged[i : i + size])) for i in range(0, len(merged), size)] if merged else []


def _with_their_data(works: list[Work]) -> list[Bundle]:
    """Data is decoded by the first training that reads it; data of cells alone by a task of its own."""
    data = {work.id: work for work in works if isinstance(work, Decode)}
    bundles: list[Bundle] = []
    for work in works:
        if not isinstance(work, Decode):
            own = tuple(data.pop(need) for need in sorted(work.needs & data.keys()))
            bundles.append((*own, work))
    return bundles + [(work,) for work in data.values()]


def _tasks(bundles: list[Bundle], forecast: Callable[[Work], float], length: float) -> list[Task]:
    tasks: list[Task] = []
    for bundle in bundles:
        cost = sum(map(forecast, bundle))
        if tasks and tasks[-1].seconds + cost <= length:
            tasks[-1] = Task(tasks[-1].works + bundle, tasks[-1].seconds + cost)
        else:
            tasks.append(Task(bundle, cost))
    return tasks


def _dependencies(
    tasks: tuple[Task, ...], places: Mapping[str, Place], queued: Mapping[str, str], arrays: Sequence[JobArray]
) -> tuple[tuple[tuple[int, int | None], ...], tuple[str, ...]]:
    needs = {need for task in tasks for work in task.works for need in work.needs}
    waits: dict[int, set[int]] = {}
    for array, task in (places[need] for need in needs if need in places):
        waits.setdefault(array, set()).add(task)
    after: list[tuple[int, int | None]] = []
    for array in sorted(waits):
        whole = len(waits[array]) == len(arrays[array].tasks)
        after += [(array, None)] if whole else [(array, task) for task in sorted(waits[array])]
    return tuple(after), tuple(sorted({queued[need] for need in needs if need in queued}))
