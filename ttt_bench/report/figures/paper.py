"""Figures for a paper: single and double column width, 8 pt, vector, without a title, which the caption is for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ttt_bench.files import write_atomically
from ttt_bench.report.entries import metric_head
from ttt_bench.report.figures.curves import Styles, draw_panel, legend_handles, values_of
from ttt_bench.report.figures.differences import Panel, compared, difference_panels
from ttt_bench.report.groups import Group

POINTS = 8.0
WIDTHS = {"single": (3.25, 2), "double": (6.75, 5)}
"""Inches, and panels side by side at most."""
PANEL_HEIGHT, LEGEND_LINE = 1.45, 0.17
RC: dict[str, Any] = {
    **dict.fromkeys(
        ("font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"),
        POINTS,
    ),
    "savefig.transparent": True,
}
Draw = Callable[[], Figure | None]


def paper_figures(groups: Sequence[Group], styles: Styles) -> Iterator[tuple[str, Draw]]:
    """Name of each figure, without ending, and what draws it; None where a group has nothing to show."""
    for group in groups:
        for width in WIDTHS:
            yield f"paper-{width}_trajectories_{group.slug}", partial(_trajectories, group, styles, width)
            yield f"paper-{width}_difference-to-bn_{group.slug}", partial(_differences, group, styles, width)


def save(figure: Figure, path: Path, command: str) -> Path:
    """Write a figure as PDF, the same bytes for the same numbers."""
    told: dict[str, Any] = {"Subject": command, "Creator": "ttt_bench", "CreationDate": None}
    write_atomically(path, partial(figure.savefig, format="pdf", metadata=told))
    return path


def _trajectories(group: Group, styles: Styles, width: str) -> Figure | None:
    if not group.metrics:
        return None
    panels: list[Panel] = [(metric_head(m), values_of(m.id), m.scale) for m in group.metrics]
    panels.append(("Δ (%) ↑", lambda s: (s.run.steps, s.delta), 1.0))
    return _grid(group, styles, panels, width, base_line=0.0)


def _differences(group: Group, styles: Styles, width: str) -> Figure | None:
    shown = compared(group)
    panels = [(title.replace("\n", " "), curve, scale) for title, curve, scale in difference_panels(group)]
    return None if shown is None else _grid(shown, styles, panels, width, base_line=None)


def _grid(group: Group, styles: Styles, panels: Sequence[Panel], width: str, base_line: float | None) -> Figure:
    inches, most = WIDTHS[width]
    # Five panels of 8 pt side by side leave no room for their axes: three and two do.
    columns = min(most, len(panels)) if len(panels) < 4 else min(most, 3)
    lines = -(-len(panels) // columns)
    longest = max(len(row.label) for row in group.rows)
    beside = max(1, min(len(group.rows), int(inches / (0.5 + 0.062 * longest))))
    foot = 0.32 + LEGEND_LINE * -(-len(group.rows) // beside)
    height = lines * (PANEL_HEIGHT + 0.1) + foot
    figure = Figure(figsize=(inches, height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, foot / height, 1, 1 - foot / height))  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for place, (title, curve, scale) in enumerate(panels):
        axes[place].set_ylabel(title if len(title) < 24 else title.replace(": ", ":\n").replace(" mean ", "\nmean "))
        draw_panel(axes[place], group, styles, curve, scale, base_line if place == len(panels) - 1 else None)
    for empty in axes[len(panels) :]:
        empty.set_visible(False)
    figure.text(0.5, (foot - 0.12) / height, "adaptation step", ha="center", va="center")
    figure.legend(
        handles=legend_handles(group.rows, styles), loc="lower center", ncols=beside, frameon=False, handlelength=2.4,
        columnspacing=1.0, labelspacing=0.25, borderaxespad=0.1,
    )  # fmt: skip
    return figure
