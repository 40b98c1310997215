"""Drawing a report's figures, in this process or in several. Loads matplotlib."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from ttt_bench.report.figures.canvas import own_look
from ttt_bench.report.figures.catalogue import Job, jobs
from ttt_bench.report.groups import Group
from ttt_bench.report.loading import Progress
from ttt_bench.report.sharing import can_share, shared
from ttt_bench.report.style import draw_into_files

log = logging.getLogger(__name__)

WORTH_A_POOL = 8
"""Fewer figures than this are drawn about as fast as a process starts."""


@dataclass
class Drawing:
    """The figures of some groups, and where they go; what another process is given."""

    groups: Sequence[Group]
    folder: Path
    command: str

    @cached_property
    def jobs(self) -> list[Job]:
        """What is drawn, in the order of a report."""
        return list(jobs(self.groups))

    def draw(self, number: int) -> list[Path]:
        """Draw figure ``number``; the files written."""
        name, draw = self.jobs[number]
        with own_look():
            sketch = draw()
            return sketch.save(self.folder / name, self.command) if sketch is not None else []


def draw_each(
    groups: Sequence[Group], folder: Path, command: str, progress: Progress | None, workers: int
) -> list[Path]:
    """Draw all figures of ``groups``; the files written, in the order of a report."""
    drawing = Drawing(groups, folder, command)
    count = len(drawing.jobs)
    drawn: dict[int, list[Path]] = {}

    def note(number: int, paths: list[Path]) -> None:
        drawn[number] = paths
        if progress is not None:
            progress(len(drawn), count, "drawing figures")

    if can_share(workers) and count >= WORTH_A_POOL:
        given = partial(_in_another, Drawing(groups, folder, command))
        try:
            for number, paths in shared(count, drawing.draw, workers - 1, given):
                note(number, paths)
        except BrokenProcessPool:
            log.warning("A process that drew figures died (out of memory, or killed); this one draws what it left.")
    for number in range(count):
        if number not in drawn:
            note(number, drawing.draw(number))
    return [path for number in range(count) for path in drawn[number]]


def _in_another(drawing: Drawing) -> Callable[[int], list[Path]]:
    draw_into_files()
    return drawing.draw
