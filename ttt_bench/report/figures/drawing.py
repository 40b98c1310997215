"""Drawing a report's figures, in this process or in several. Loads matplotlib."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path

from ttt_bench import plugins
from ttt_bench.machine import die_with_parent
from ttt_bench.report.figures.canvas import own_look
from ttt_bench.report.figures.catalogue import Job, jobs
from ttt_bench.report.groups import Group
from ttt_bench.report.loading import Progress
from ttt_bench.report.style import draw_into_files

log = logging.getLogger(__name__)

WORTH_A_POOL = 8
"""Fewer figures than this are drawn about as fast as a process starts."""

Drawn = dict[int, list[Path]]
"""The files of each figure, by its number."""


@dataclass
class Drawing:
    """The figures of some groups, and where they go; what another process is given."""

    groups: Sequence[Group]
    folder: Path
    command: str
    jobs: list[Job] = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = list(jobs(self.groups))

    def draw(self, number: int) -> list[Path]:
        """Draw figure ``number``; the files written."""
        name, draw = self.jobs[number]
        with own_look():
            sketch = draw()
            return sketch.save(self.folder / name, self.command) if sketch is not None else []


@dataclass(frozen=True)
class Open:
    """The figures that nobody has begun, shared by all processes that draw."""

    bounds: SynchronizedArray[int]
    """The first of them, and the one after the last."""

    @classmethod
    def all_of(cls, count: int) -> Open:
        """None of ``count`` has been begun."""
        return cls(multiprocessing.get_context("spawn").Array("i", (0, count)))

    def from_front(self) -> Iterator[int]:
        """Take one after the other, the first first."""
        return self._taken(0, 1)

    def from_back(self) -> Iterator[int]:
        """Take one after the other, the last first."""
        return self._taken(1, -1)

    def _taken(self, end: int, step: int) -> Iterator[int]:
        while True:
            with self.bounds.get_lock():
                first, last = self.bounds[:]
                if first >= last:
                    return
                self.bounds[end] += step
            yield first if end == 0 else last - 1


def draw_each(
    groups: Sequence[Group], folder: Path, command: str, progress: Progress | None, workers: int
) -> list[Path]:
    """Draw all figures of ``groups``; the files written, in the order of a report."""
    drawing = Drawing(groups, folder, command)
    count = len(drawing.jobs)
    drawn: Drawn = {}

    def note(found: Drawn) -> None:
        for number, paths in found.items():
            drawn[number] = paths
            if progress is not None:
                progress(len(drawn), count, "drawing figures")

    if workers > 1 and count >= WORTH_A_POOL and not multiprocessing.current_process().daemon:
        _draw_with_others(drawing, workers - 1, note)
    for number in range(count):
        if number not in drawn:
            note({number: drawing.draw(number)})
    return [path for number in range(count) for path in drawn[number]]


def _draw_with_others(drawing: Drawing, others: int, note: Callable[[Drawn], None]) -> None:
    """Let ``others`` draw from the first figure on, and this process from the last, until they meet.

    What processes that died (out of memory, or killed) leave undone is left to the caller.
    """
    # Not fork: the caller may have loaded torch, whose threads and locks do not survive a fork.
    context = multiprocessing.get_context("spawn")
    left = Open.all_of(len(drawing.jobs))
    given = (plugins.in_use(), left, drawing.groups, drawing.folder, drawing.command)
    with ProcessPoolExecutor(others, context, _ready, given) as pool:
        asked = [pool.submit(_draw_what_is_left) for _ in range(others)]
        for number in left.from_back():
            note({number: drawing.draw(number)})
        try:
            for future in asked:
                note(future.result())
        except BrokenProcessPool:
            log.warning("A process that drew figures died (out of memory, or killed); this one draws what it left.")


def _ready(
    files: Mapping[plugins.Kind, Sequence[Path]], left: Open, groups: Sequence[Group], folder: Path, command: str
) -> None:
    """Make a new process like the one that started it, and give it what it will be asked to draw."""
    global _given
    die_with_parent()
    draw_into_files()
    plugins.use(files)
    _given = left, Drawing(groups, folder, command)


_given: tuple[Open, Drawing] | None = None


def _draw_what_is_left() -> Drawn:
    assert _given is not None, "the pool prepares its processes"
    left, drawing = _given
    return {number: drawing.draw(number) for number in left.from_front()}
