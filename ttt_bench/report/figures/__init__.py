"""All figures of a report. Importing it loads matplotlib (but not pyplot: nothing here is global)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from ttt_bench.names import file_names
from ttt_bench.report.figures import paper
from ttt_bench.report.figures.canvas import Sketch, own_look
from ttt_bench.report.figures.compute import draw_compute
from ttt_bench.report.figures.curves import draw_stream, draw_trajectories
from ttt_bench.report.figures.differences import draw_differences
from ttt_bench.report.figures.forest import draw_forest, draw_ranks
from ttt_bench.report.figures.overview import MOST_COLUMNS, MOST_LINES, colour_limit, draw_overview
from ttt_bench.report.figures.portions import portions
from ttt_bench.report.figures.scatter import draw_cost, draw_sync
from ttt_bench.report.figures.severity import draw_severity
from ttt_bench.report.figures.sheet import draw_sheet
from ttt_bench.report.groups import MOST_SLUG, Group
from ttt_bench.report.loading import Progress
from ttt_bench.report.overview import by_block
from ttt_bench.report.paper import paper_order
from ttt_bench.report.style import MethodStyle, method_styles

__all__ = ["draw_all", "draw_for_paper"]

Styles = dict[str, MethodStyle]
Draw = Callable[[], Sketch | None]


def draw_for_paper(groups: Sequence[Group], folder: Path, command: str) -> list[Path]:
    """Draw trajectories and differences to ``bn`` as PDF for a paper; the files written."""
    paths = []
    with own_look(paper.RC):
        for name, draw in paper.paper_figures(groups, _styles(groups)):
            figure = draw()
            if figure is not None:
                paths.append(paper.save(figure, folder / f"{name}.pdf", command))
    return paths


def _styles(groups: Sequence[Group]) -> Styles:
    labels = list(dict.fromkeys(row.label for group in groups for row in group.rows))
    return method_styles(labels, paper_order())


def draw_all(groups: Sequence[Group], folder: Path, command: str, progress: Progress | None) -> list[Path]:
    """Draw every figure as PNG and PDF.

    Per protocol, stream, recipe, training and size: the overview of all pairs (where there are several), images over
    the severities of corruption (where there are several), Delta over ``bn`` with its intervals, mean ranks (from five
    pairs on), synchronisation, spent compute and cost; per table: trajectories, differences to ``bn``, stream (online
    only) and the picture sheet (where pictures were kept). What would be too full is split into parts, see
    ``portions``. A figure without content is left out.

    Returns:
        The files written.
    """
    jobs = list(_jobs(groups, _styles(groups)))
    paths: list[Path] = []
    with own_look():
        for done, (name, draw) in enumerate(jobs, start=1):
            sketch = draw()
            if sketch is not None:
                paths += sketch.save(folder / name, command)
            if progress is not None:
                progress(done, len(jobs), "drawing figures")
    return paths


def _jobs(groups: Sequence[Group], styles: Styles) -> Iterator[tuple[str, Draw]]:
    blocks = by_block(groups)
    named = list(zip(file_names((b.parts for b in blocks), MOST_SLUG), blocks.values(), strict=True))
    for name, members in named:
        parts = portions(members)
        yield from _numbered(f"delta-bn_{name}", (partial(draw_forest, part, styles) for part in parts))
        yield f"ranks_{name}", partial(draw_ranks, members, styles)
        if len(members) > 1:
            limit = colour_limit(members)
            parts = portions(members, MOST_COLUMNS, MOST_LINES)
            yield from _numbered(f"overview_{name}", (partial(draw_overview, part, limit) for part in parts))
            yield f"severity_{name}", partial(draw_severity, members, styles)
    for group in groups:
        parts = portions([group])
        yield from _numbered(f"trajectories_{group.slug}", (partial(draw_trajectories, g, styles) for [g] in parts))
        yield from _numbered(f"differences_{group.slug}", (partial(draw_differences, g, styles) for [g] in parts))
        yield from _numbered(f"stream_{group.slug}", (partial(draw_stream, g, styles) for [g] in parts))
        yield from _numbered(f"pictures_{group.slug}", (partial(draw_sheet, g) for [g] in parts))
    for name, members in named:
        parts = portions(members)
        yield from _numbered(f"sync_{name}", (partial(draw_sync, part, styles) for part in parts))
        yield from _numbered(f"compute_{name}", (partial(draw_compute, part, styles) for part in parts))
        yield from _numbered(f"cost_{name}", (partial(draw_cost, part, styles) for part in parts))


def _numbered(name: str, draws: Iterable[Draw]) -> Iterator[tuple[str, Draw]]:
    several = list(draws)
    for number, draw in enumerate(several, start=1):
        yield (name if len(several) == 1 else f"{name}-part{number}"), draw
