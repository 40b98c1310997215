"""What the studies' figures share: a row of panels per table, titles, a legend below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_bench.report.figures.canvas import heading
from ttt_bench.report.groups import Group
from ttt_bench.report.style import WIDTH

TOP, BOTTOM, LEGEND, FOOT = 0.62, 0.34, 0.32, 0.12
"""Inches kept for the titles above, for axis labels below, for a legend below those, and, where there is none, for the
line of provenance."""
BN_COLOUR, BASE_COLOUR = "#7f7f7f", "#000000"


def panels(
    rows: int, columns: int, row_height: float, left: float, legend: float = 0.0, wspace: float = 0.3,
    gap: float = 0.55, top: float = TOP,
) -> tuple[Figure, list[list[Axes]]]:  # fmt: skip
    """A figure of ``rows`` x ``columns`` panels; all lengths in inches.

    Args:
        rows: one per table.
        columns: panels in each.
        row_height: of a panel.
        left: kept for labels.
        legend: kept below everything; ``FOOT`` at least.
        wspace: between panels, in panel widths.
        gap: between rows.
        top: kept above the first row.
    """
    below = BOTTOM + max(legend, FOOT)
    height = top + below + rows * row_height + (rows - 1) * gap
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=left / WIDTH, right=0.985, top=1 - top / height, bottom=below / height, wspace=wspace,
        hspace=gap / row_height,
    )  # fmt: skip
    return figure, [list(line) for line in axes]


def entitle(figure: Figure, title: str, groups: Sequence[Group], said: str) -> None:
    """Title, and what all tables have in common."""
    blocks = list(dict.fromkeys(group.block.title for group in groups))
    heading(figure, title, "; ".join([*blocks[:1], said]) if len(blocks) == 1 else said)


def name_of(group: Group, groups: Sequence[Group]) -> str:
    """What tells a group from the others of the figure."""
    alone = len({each.block for each in groups}) == 1
    return group.title if alone else f"{group.title}\n{group.block.title}"


def row_title(axes: Axes, text: str) -> None:
    """Write ``text`` above the two-line titles of a row of panels, ``axes`` being its first one."""
    axes.annotate(
        text, (0, 1), xycoords="axes fraction", xytext=(-38, 25), textcoords="offset points", fontsize=6.8,
        fontweight="bold", annotation_clip=False,
    )  # fmt: skip


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int = 6) -> None:
    """A frameless legend at the foot, above the line of provenance."""
    height = figure.get_size_inches()[1]
    figure.legend(
        handles=list(handles), loc="lower center", ncols=min(len(handles), columns), frameon=False,
        bbox_to_anchor=(0.5, 0.09 / height), handlelength=2.4, columnspacing=1.4,
    )  # fmt: skip


def padded(values: Sequence[float], least: float = 0.2, share: float = 0.12) -> tuple[float, float]:
    """Limits that show all finite ``values`` and are at least ``least`` apart: rounding must not look like effect."""
    known = np.array([v for v in values if np.isfinite(v)])
    if not known.size:
        return -1.0, 1.0
    low, high = float(known.min()), float(known.max())
    if high - low < least:
        middle = (high + low) / 2
        low, high = middle - least / 2, middle + least / 2
    room = share * (high - low)
    return low - room, high + room
