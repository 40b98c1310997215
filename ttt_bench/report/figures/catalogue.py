"""Which figures a report has, and what each is called. Loads matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ttt_bench.names import file_names
from ttt_bench.report.figures.canvas import Sketch
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
from ttt_bench.report.overview import by_block
from ttt_bench.report.paper import paper_order
from ttt_bench.report.style import MethodStyle, method_styles

Draw = Callable[[], Sketch | None]
Job = tuple[str, Draw]
"""A file stem, and what draws its figure; None: there is nothing to show."""


def styles_of(groups: Sequence[Group]) -> dict[str, MethodStyle]:
    """One style per row, the same in all figures of a report."""
    labels = list(dict.fromkeys(row.label for group in groups for row in group.rows))
    return method_styles(labels, paper_order())


def jobs(groups: Sequence[Group]) -> Iterator[Job]:
    """What ``draw_all`` draws of ``groups``, one file stem and one call each, in the order of a report."""
    styles, blocks = styles_of(groups), by_block(groups)
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


def _numbered(name: str, draws: Iterable[Draw]) -> Iterator[Job]:
    several = list(draws)
    for number, draw in enumerate(several, start=1):
        yield (name if len(several) == 1 else f"{name}-part{number}"), draw
