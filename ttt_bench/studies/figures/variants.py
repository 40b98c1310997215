"""Rows side by side: Delta and its distance from ``bn``; and one task at a time against all together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ttt_bench.report.entries import metric_head
from ttt_bench.report.figures.canvas import Sketch, cells_of
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE, BN
from ttt_bench.report.uncertainty import DELTA, DELTA_BN
from ttt_bench.studies.figures.layout import (
    BASE_COLOUR,
    BN_COLOUR,
    LEGEND,
    entitle,
    legend_below,
    name_of,
    padded,
    panels,
    row_title,
)
from ttt_bench.studies.tables import variants

POINT, OTHER = "#0072B2", "#D55E00"
ROW = 0.24
"""Inches per line of names."""


def draw_variants(title: str, groups: Sequence[Group]) -> Sketch:
    """Per table: Delta of every variant, with the two controls as lines, and its distance from ``bn``."""
    lines = max(len(variants(group)) for group in groups)
    figure, axes = panels(len(groups), 2, ROW * (lines + 0.6), left=1.55, legend=LEGEND, wspace=0.12, gap=0.75)
    for (left, right), group in zip(axes, groups, strict=True):
        rows = variants(group)
        for panel, key in ((left, DELTA), (right, DELTA_BN)):
            _points(panel, rows, key, POINT)
            _names(panel, [row.label for row in rows] if panel is left else [], len(rows))
        levels = [(BASE, BASE_COLOUR, (0, (6, 2))), (BN, BN_COLOUR, "-")]
        for method, colour, line in levels:
            control = group.row(method)
            if control is not None and np.isfinite(control.mean(DELTA)):
                left.axvline(control.mean(DELTA), color=colour, ls=line, lw=0.9, zorder=1)
        right.axvline(0.0, color=BN_COLOUR, lw=0.9, zorder=1)
        left.set_xlabel("Δ over base (%) ↑", labelpad=1.5)
        right.set_xlabel("Δ−bn (points) ↑", labelpad=1.5)
        left.set_title(name_of(group, groups), loc="left")
        right.set_xlim(*padded([0.0, *_all(rows, DELTA_BN)]))
    entitle(figure, title, groups, "small dots: one seed each; large: their mean")
    legend_below(figure, [
        Line2D([], [], color=POINT, marker="o", ls="", ms=5, label="mean of a variant"),
        Line2D([], [], color=BN_COLOUR, lw=0.9, label="bn: the same forwards, no gradient"),
        Line2D([], [], color=BASE_COLOUR, lw=0.9, ls=(0, (6, 2)), label="base: un-adapted"),
    ])  # fmt: skip
    return Sketch(figure, title, cells_of(groups))


def draw_single_tasks(title: str, groups: Sequence[Group]) -> Sketch:
    """Per table a panel per task: the metric of every method, trained on that task alone and on all."""
    names = [list(dict.fromkeys(row.label.rpartition(", ")[0] for row in group.rows)) for group in groups]
    columns = max(len(group.metrics) for group in groups)
    height = ROW * (max(map(len, names)) + 0.8)
    figure, axes = panels(len(groups), columns, height, left=0.75, legend=LEGEND, wspace=0.16, gap=0.85, top=0.88)
    for line, group, labels in zip(axes, groups, names, strict=True):
        for panel, metric in zip(line, group.metrics, strict=False):
            key = f"last/{metric.id}"
            for kind, colour, shift in (("single", OTHER, -0.13), ("multi", POINT, 0.13)):
                rows = [next((r for r in group.rows if r.label == f"{name}, {kind}"), None) for name in labels]
                _points(panel, rows, key, colour, shift, metric.scale)
            _names(panel, labels if panel is line[0] else [], len(labels))
            panel.set_title(metric_head(metric).replace(" (", "\n(", 1) if metric.unit else metric_head(metric))
            values = [metric.scale * v for v in _all(group.rows, key)]
            panel.set_xlim(*padded(values, least=0.02 * max(map(abs, values), default=1.0)))
        for panel in line[len(group.metrics) :]:
            panel.set_visible(False)
        row_title(line[0], name_of(group, groups).replace("\n", ", "))
    entitle(figure, title, groups, "last step; small dots: one seed each; large: their mean")
    legend_below(figure, [
        Line2D([], [], color=POINT, marker="o", ls="", ms=5, label="all tasks in one network"),
        Line2D([], [], color=OTHER, marker="o", ls="", ms=5, label="one network per task"),
    ])  # fmt: skip
    return Sketch(figure, title, cells_of(groups))


def _points(
    axes: Axes, rows: Sequence[Row | None], key: str, colour: str, shift: float = 0.0, scale: float = 1.0
) -> None:
    for place, row in enumerate(rows):
        if row is None:
            continue
        values = scale * row.sample(key)
        values = values[np.isfinite(values)]
        axes.plot(values, np.full(len(values), place + shift), ".", color=colour, ms=3.5, alpha=0.45, mew=0, zorder=3)
        if len(values):
            axes.plot(values.mean(), place + shift, "o", color=colour, ms=5, mec="white", mew=0.5, zorder=2.5)
        if row.collapsed_steps:
            said = f"✗ {len(row.collapsed_steps)} of {len(row.runs)} collapsed"
            axes.annotate(said, (0.02, place + shift), xycoords=("axes fraction", "data"), fontsize=6, va="center")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _names(axes: Axes, labels: Sequence[str], count: int) -> None:
    """``labels`` down the y axis, which has ``count`` lines whether named or not."""
    axes.set_yticks(range(count), labels or [""] * count)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(count - 0.4, -0.6)


def _all(rows: Sequence[Row], key: str) -> list[float]:
    return [float(v) for row in rows for v in row.sample(key) if np.isfinite(v)]
