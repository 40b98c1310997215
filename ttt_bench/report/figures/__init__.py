"""All figures of a report. Importing it loads matplotlib (but not pyplot: nothing here is global)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttt_bench.report.figures import paper
from ttt_bench.report.figures.canvas import own_look
from ttt_bench.report.figures.catalogue import styles_of
from ttt_bench.report.figures.drawing import draw_all
from ttt_bench.report.groups import Group

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
