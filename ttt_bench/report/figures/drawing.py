"""Drawing a report's figures, in this process or in several. Loads matplotlib."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ttt_bench.report.figures.canvas import own_look
from ttt_bench.report.figures.catalogue import Job, jobs
from ttt_bench.report.groups import Group
from ttt_bench.report.loading import Progress
from ttt_bench.report.sharing import can_share, shared

log = logging.getLogger(__name__)

WORTH_A_PROCESS = 8
"""Fewer figures than this are drawn about as fast as a process starts."""


@dataclass
class Drawing:
    """The figures of some groups, and where they go."""

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


def draw_all(
    groups: Sequence[Group], folder: Path, command: str, progress: Progress | None, workers: int = 1
) -> list[Path]:
    """Draw every figure as PNG and PDF.

    Per protocol, stream, recipe, training and size: the overview of all pairs (where there are several), images over
    the severities of corruption (where there are several), Delta over ``bn`` with its intervals, mean ranks (from five
    pairs on), synchronisation, spent compute and cost; per table: trajectories, differences to ``bn``, stream (online
    only) and the picture sheet (where pictures were kept). What would be too full is split into parts, see
    ``portions``. A figure without content is left out.

    With several ``workers`` as many processes draw, where there are figures enough, to the same files.

    Returns:
        The files written, in the order of a report.
    """
    drawing = Drawing(groups, folder, command)
    count = len(drawing.jobs)
    drawn: dict[int, list[Path]] = {}

    def note(number: int, paths: list[Path]) -> None:
        drawn[number] = paths
        if progress is not None:
            progress(len(drawn), count, "drawing figures")

    others = min(workers - 1, count // WORTH_A_PROCESS)
    if can_share(workers) and others:
        try:
            for number, paths in shared(count, drawing.draw, others):
                note(number, paths)
        except BrokenProcessPool:
            log.warning("A process that drew figures died (out of memory, or killed); this one draws what it left.")
    for number in range(count):
        if number not in drawn:
            note(number, drawing.draw(number))
    return [path for number in range(count) for path in drawn[number]]
