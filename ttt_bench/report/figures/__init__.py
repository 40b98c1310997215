"""All figures of a report. Importing it loads matplotlib (but not pyplot: nothing here is global)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib

from ttt_bench.names import file_names
from ttt_bench.report.figures.canvas import Sketch
from ttt_bench.report.figures.curves import draw_stream, draw_trajectories
from ttt_bench.report.figures.scatter import draw_cost, draw_sync
from ttt_bench.report.figures.sheet import draw_sheet
from ttt_bench.report.groups import MOST_SLUG, Group
from ttt_bench.report.paper import paper_order
from ttt_bench.report.runs import Block, Progress
from ttt_bench.report.style import RC, MethodStyle, method_styles

__all__ = ["draw_all"]

Styles = dict[str, MethodStyle]


def draw_all(groups: Sequence[Group], folder: Path, command: str, progress: Progress | None) -> list[Path]:
    """Draw every figure as PNG and PDF.

    Per table: trajectories, stream (online only) and the picture sheet (where pictures were kept); per protocol,
    recipe, training and size: synchronisation and cost over all pairs. A figure without content is left out.

    Returns:
        The files written.
    """
    labels = list(dict.fromkeys(row.label for group in groups for row in group.rows))
    styles = method_styles(labels, paper_order())
    jobs: list[tuple[str, Callable[[], Sketch | None]]] = []
    for group in groups:
        jobs.append((f"trajectories_{group.slug}", partial(draw_trajectories, group, styles)))
        jobs.append((f"stream_{group.slug}", partial(draw_stream, group, styles)))
        jobs.append((f"pictures_{group.slug}", partial(draw_sheet, group)))
    blocks: dict[Block, list[Group]] = defaultdict(list)
    for group in groups:
        blocks[group.block].append(group)
    for name, members in zip(file_names((b.parts for b in blocks), MOST_SLUG), blocks.values(), strict=True):
        jobs.append((f"sync_{name}", partial(draw_sync, members, styles)))
        jobs.append((f"cost_{name}", partial(draw_cost, members, styles)))
    paths: list[Path] = []
    # The user's own settings (matplotlibrc) are for the user's figures: these look the same everywhere.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        for done, (name, draw) in enumerate(jobs, start=1):
            sketch = draw()
            if sketch is not None:
                paths += sketch.save(folder / name, command)
            if progress is not None:
                progress(done, len(jobs), "drawing figures")
    return paths
