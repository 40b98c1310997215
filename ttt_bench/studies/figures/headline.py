"""Stacked parts of Delta, a bar per method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.studies.answers.headline import STACKED, Panel
from ttt_bench.studies.figures.layout import legend_below, padded, panels

COLOURS = {
    "statistics": "#b5b5b5", "undone scaling": "#56B4E9", "branch": "#CC79A7", "loss, published": "#D55E00",
    "interaction": "#F0E442", "tuned": "#009E73", "oracle†": "#ffffff",
}  # fmt: skip
ROW = 0.2
"""Inches per bar."""
LEGEND = 0.45


def draw_headline(title: str, found: Sequence[Panel]) -> Sketch:
    """Per table a panel: positive parts to the right of zero, negative ones to its left, and Delta as released."""
    columns = min(2, len(found))
    lines = max(len(panel.splits) for panel in found)
    rows = -(-len(found) // columns)
    figure, axes = panels(rows, columns, ROW * (lines + 1), left=0.7, legend=LEGEND, wspace=0.2, gap=0.7)
    flat = [panel for line in axes for panel in line]
    for panel, shown in zip(flat, found, strict=False):
        _bars(panel, shown)
    for panel in flat[len(found) :]:
        panel.set_visible(False)
    heading(figure, title, "points of Δ at the last step, mean over seeds; white: seen by target labels alone")
    used = [name for name in STACKED if name != "branch" or any(panel.training == "joint" for panel in found)]
    legend_below(figure, [
        *(Patch(facecolor=COLOURS[name], edgecolor="#444444", lw=0.4, label=name) for name in used),
        Line2D([], [], color="#000000", marker="D", ls="", ms=3.2, label="Δ as released"),
    ], columns=4)  # fmt: skip
    return Sketch(figure, title, tuple(dict.fromkeys(c for p in found for s in p.splits for c in s.cells)))


def _bars(axes: Axes, panel: Panel) -> None:
    ends = [0.0]
    for place, split in enumerate(panel.splits):
        reached = {1: 0.0, -1: 0.0}
        for name in STACKED:
            value = split.parts[name].estimate
            if not np.isfinite(value) or (name == "branch" and panel.training != "joint"):
                continue
            side = 1 if value >= 0 else -1
            axes.barh(
                place, value, left=reached[side], height=0.66, color=COLOURS[name], edgecolor="#444444", lw=0.4,
                zorder=2,
            )  # fmt: skip
            reached[side] += value
        whole = split.parts["as released"].estimate
        axes.plot([whole], [place], marker="D", color="#000000", ms=3.2, mec="white", mew=0.4, zorder=3)
        ends += [*reached.values(), whole]
    axes.axvline(0, color="#000000", lw=0.7, zorder=3)
    axes.set_xlim(*padded(ends, share=0.05))
    axes.set_yticks(range(len(panel.splits)), [split.method for split in panel.splits])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(panel.splits) - 0.4, -0.6)
    axes.set_title(panel.title, fontsize=6.8)
    axes.set_xlabel("Δ over base (points)", labelpad=1.5)
