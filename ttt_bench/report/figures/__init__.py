"""All figures of a report. Importing it loads matplotlib (but not pyplot: nothing here is global)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttt_bench.report.figures import paper
from ttt_bench.report.figures.canvas import own_look
from ttt_bench.report.figures.catalogue import styles_of
from ttt_bench.report.figures.drawing import draw_each
from ttt_bench.report.groups import Group
from ttt_bench.report.loading import Progress

__all__ = ["draw_all", "draw_for_paper"]


def draw_for_paper(groups: Sequence[Group], folder: Path, command: str) -> list[Path]:
    """Draw trajectories and differences to ``bn`` as PDF for a paper; the files written."""
    paths = []
    with own_look(paper.RC):
        for name, draw in paper.paper_figures(groups, styles_of(groups)):
            figure = draw()
            if figure is not None:
                paths.append(paper.save(figure, folder / f"{name}.pdf", command))
    return paths


def draw_all(
    groups: Sequence[Group], folder: Path, command: str, progress: Progress | None, workers: int = 1
) -> list[Path]:
    """Draw every figure as PNG and PDF.

    Per protocol, stream, recipe, training and size: the overview of all pairs (where there are several), images over
    the severities of corruption (where there are several), Delta over ``bn`` with its intervals, mean ranks (from five
    pairs on), synchronisation, spent compute and cost; per table: trajectories, differences to ``bn``, stream (online
    only) and the picture sheet (where pictures were kept). What would be too full is split into parts, see
    ``portions``. A figure without content is left out.

    With several ``workers`` so many processes draw, to the same files.

    Returns:
        The files written.
    """
    return draw_each(groups, folder, command, progress, workers)
