"""Delta over ``bn`` against the work that was spent: every step of every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_bench.report.figures.canvas import Array, Sketch, cells_of, heading, robust_limits
from ttt_bench.report.figures.curves import legend_handles
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.style import WIDTH, MethodStyle

Styles = Mapping[str, MethodStyle]


def draw_compute(groups: Sequence[Group], styles: Styles) -> Sketch | None:
    """A panel per pair: a line through the steps of each method, over what they cost per image."""
    shown = [group for group in groups if any(_curve(group, row) is not None for row in group.rows)]
    if not shown:
        return None
    across = min(len(shown), 2)
    lines = -(-len(shown) // across)
    rows = list({row.label: row for group in shown for row in group.rows if not row.is_control}.values())
    columns = max(1, min(len(rows), 6, int(WIDTH / (0.55 + 0.06 * max(len(row.label) for row in rows)))))
    foot = 0.2 + 0.16 * -(-len(rows) // columns)
    height = 0.65 + foot + 2.3 * lines
    figure = Figure(figsize=(WIDTH if across > 1 else 0.6 * WIDTH, height))
    axes = figure.subplots(lines, across, squeeze=False).ravel()
    for panel, group in zip(axes, shown, strict=False):
        _draw(panel, group, styles)
    for panel in axes[len(shown) :]:
        panel.set_visible(False)
    figure.legend(
        handles=legend_handles(rows, styles), loc="lower center", ncols=columns, frameon=False,
        bbox_to_anchor=(0.5, 0.06 / height), handlelength=3.0, columnspacing=1.4, labelspacing=0.35,
    )  # fmt: skip
    figure.subplots_adjust(
        left=0.085 if across > 1 else 0.13, right=0.985, bottom=(foot + 0.4) / height, top=1 - 0.6 / height,
        wspace=0.2, hspace=0.45,
    )  # fmt: skip
    said = "from left to right the steps of each method, minus bn at the same step; 1x: one forward of each image"
    heading(figure, "Gain over bn against spent compute", f"{groups[0].block.title}; {said}")
    return Sketch(figure, f"Compute: {groups[0].block.title}", cells_of(shown))


def _curve(group: Group, row: Row) -> tuple[Array, Array] | None:
    """Spent work and Delta minus ``bn``'s at the same step, mean over the seeds; None where there is none."""
    if row.is_control or not row.survivors:
        return None
    curves = []
    for scored in row.survivors:
        control, steps = group.controls.get(scored.run.surroundings), scored.run.steps
        if control is None or not np.array_equal(steps, row.survivors[0].run.steps):
            return None
        # Within a budget the control, whose updates cost less, goes on for longer.
        there = np.isin(control.run.steps, steps)
        if there.sum() < len(steps):
            return None
        curves.append((scored.run.spent, scored.delta - control.delta[there]))
    spent, over = (np.mean(side, axis=0) for side in zip(*curves, strict=True))
    return (spent, over) if np.isfinite(spent).all() and spent[-1] > 0 else None


def _draw(axes: Axes, group: Group, styles: Styles) -> None:
    axes.axhline(0.0, color="#7f7f7f", lw=0.8, zorder=1)
    drawn = [np.zeros(1)]
    for row in group.rows:
        curve = _curve(group, row)
        if curve is not None:
            axes.plot(*curve, **styles[row.label].plot, markevery=[-1], mew=0.35, mec="white", zorder=3)
            drawn.append(curve[1])
    limits = robust_limits(drawn)
    if limits is not None:
        axes.set_ylim(*limits)
    axes.set_xlim(left=0.0)
    axes.set_title(group.title)
    axes.set_xlabel("spent: forwards + 2 × backwards of each image (x)", labelpad=1.5)
    axes.set_ylabel("Δ−bn (points) ↑")
