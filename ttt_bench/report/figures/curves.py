"""Curves over adaptation steps, and along the stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ttt_bench.report.entries import metric_head
from ttt_bench.report.figures.canvas import Sketch, cells_of, heading, robust_limits
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import BASE
from ttt_bench.report.scoring import Scored, stream_delta
from ttt_bench.report.style import WIDTH, MethodStyle

Array = npt.NDArray[np.float64]
Curve = Callable[[Scored], tuple[Array, Array]]
"""A run -> (x, y)."""
Styles = Mapping[str, MethodStyle]

STEP_MEANS = {
    "online": "updates on each batch (step k of a batch follows all updates of the batches before it)",
    "episodic": "updates away from the source weights (reset before each batch)",
    "single": "updates on one batch; the whole target set is scored",
}
"""What a step is, for the axis of each protocol."""


def draw_trajectories(group: Group, styles: Styles) -> Sketch | None:
    """A panel per task and one for Delta, over the adaptation steps; None where no run has a metric."""
    if not group.metrics:
        return None
    panels: list[tuple[str, Curve, float]] = [
        (metric_head(m).replace(" (", "\n(", 1) if m.unit else metric_head(m), values_of(m.id), m.scale)
        for m in group.metrics
    ]
    panels.append(("Δ over base\n(%) ↑", lambda s: (s.run.steps, s.delta), 1.0))
    figure = Figure(figsize=(WIDTH, 2.5))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (panel, (title, curve, scale)) in enumerate(zip(axes, panels, strict=True)):
        panel.set_title(title)
        draw_panel(panel, group, styles, curve, scale, base_line=0.0 if place == len(panels) - 1 else None)
    meaning = STEP_MEANS.get(group.block.protocol, "adaptation steps")
    finish(figure, group, styles, f"adaptation steps: {meaning}")
    return Sketch(figure, f"{group.pair}: trajectories, {group.block.title}", cells_of([group]))


def draw_stream(group: Group, styles: Styles) -> Sketch | None:
    """Delta along the target stream, before and after the updates on each batch; online only."""
    if group.block.protocol != "online" or not group.metrics:
        return None
    if not any(stream_delta(s, 1)[1].size for r in group.rows for s in r.runs):
        return None
    figure = Figure(figsize=(WIDTH, 2.5))
    axes = figure.subplots(1, 2, sharey=True)
    for end, panel, title in ((0, axes[0], "before the updates on a batch"), (1, axes[1], "after them")):
        panel.set_title(title)
        draw_panel(panel, group, styles, partial(_along, end=end), 1.0, base_line=0.0)
    axes[0].set_ylabel("Δ over base (%) ↑")
    segmented = any(len(s.run.segment_of) for r in group.rows for s in r.runs)
    within = ", at most, and never two segments" if segmented else ""
    x_title = f"target batches seen (each point pools the last eighth of the stream{within})"
    _borders(axes, group)
    finish(figure, group, styles, x_title)
    return Sketch(figure, f"{group.pair}: along the stream, {group.block.title}", cells_of([group]))


def values_of(id: str) -> Curve:
    """A metric over the steps."""
    return lambda s: (s.run.steps, s.run.values.get(id, np.full(len(s.run.steps), np.nan)))


def _along(scored: Scored, end: int) -> tuple[Array, Array]:
    """``stream_delta`` with a gap at every border between two segments: no window reaches over one."""
    (x, y), segment_of = stream_delta(scored, end), scored.run.segment_of
    if not len(segment_of) or not len(x):
        return x, y
    borders = np.flatnonzero(np.diff(segment_of[x.astype(int) - 1])) + 1
    return np.insert(x, borders, x[borders]), np.insert(y, borders, np.nan)


def _borders(axes: Sequence[Axes], group: Group) -> None:
    """A line at every border between two segments, and the segments' names above."""
    run = next((s.run for row in group.rows for s in row.runs if len(s.run.segment_of)), None)
    if run is None:
        return
    edges = [0, *(np.flatnonzero(np.diff(run.segment_of)) + 1).tolist(), len(run.segment_of)]
    for panel in axes:
        for edge in edges[1:-1]:
            panel.axvline(edge, color="#555555", lw=0.6, ls=(0, (2, 2)), zorder=1)
        for name, first, end in zip(_told_briefly(run.segment_names), edges[:-1], edges[1:], strict=True):
            panel.annotate(
                name, ((first + end) / 2, 1.0), xycoords=("data", "axes fraction"), xytext=(0, -2),
                textcoords="offset points", ha="center", va="top", fontsize=5.2, color="#555555",
            )  # fmt: skip


def _told_briefly(names: Sequence[str]) -> list[str]:
    """Without what all begin with, up to a separator: "rooms/fog", "rooms/dusk" -> "fog", "dusk"."""
    bare = [name.partition(" ")[2] for name in names]
    common = os.path.commonprefix(bare)  # noqa: RUF071 -- of letters, not of folders
    kept = max(common.rfind(mark) for mark in "/+:") + 1
    return [name[kept:] for name in bare]


def draw_panel(
    axes: Axes, group: Group, styles: Styles, curve: Curve, scale: float, base_line: float | None = None
) -> None:
    """Every row of a group on one pair of axes; ``base`` as a line, at ``base_line`` where that is given."""
    drawn: list[Array] = []
    for place, row in enumerate(group.rows):
        if row.method == BASE:
            level = base_line if base_line is not None else _base_level(row, curve, scale)
            if np.isfinite(level):
                axes.axhline(level, color=styles[row.label].colour, ls=styles[row.label].line, lw=0.9, zorder=1.5)
                drawn.append(np.array([level]))
        else:
            drawn += _draw_row(axes, row, styles[row.label], curve, scale, place)
    limits = robust_limits(drawn)
    if limits is not None:
        axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=3))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.margins(x=0.02)


def _base_level(row: Row, curve: Curve, scale: float) -> float:
    first = [y[0] for y in (curve(s)[1] for s in row.runs) if y.size]
    return float(np.mean(first)) * scale if first else float("nan")


def _draw_row(axes: Axes, row: Row, style: MethodStyle, curve: Curve, scale: float, place: int) -> list[Array]:
    for scored in row.runs:
        if scored.collapsed_step is not None:
            _draw_collapsed(axes, scored, style, curve, scale)
    alive = [(x, y * scale) for x, y in (curve(s) for s in row.survivors) if x.size]
    if not alive:
        return []
    # Runs of one row share their settings, but one may have been swept on another grid.
    x = alive[0][0]
    same = np.array([y for other, y in alive if np.array_equal(other, x)])
    mean = same.mean(axis=0)
    every = max(1, len(x) // 4)
    axes.plot(x, mean, **style.plot, markevery=(place % every, every), mew=0.35, mec="white", zorder=3)
    if len(same) > 1:
        axes.fill_between(x, same.min(axis=0), same.max(axis=0), color=style.colour, alpha=0.15, lw=0, zorder=2)
    return [mean]


def _draw_collapsed(axes: Axes, scored: Scored, style: MethodStyle, curve: Curve, scale: float) -> None:
    x, y = curve(scored)
    if not x.size:
        return
    over_steps = np.array_equal(x, scored.run.steps)
    until = x <= (scored.collapsed_step or 0) if over_steps else np.full(len(x), True)
    x, y = x[until], y[until] * scale
    known = np.flatnonzero(np.isfinite(y))
    axes.plot(x, y, color=style.colour, lw=0.6, alpha=0.7, zorder=2)
    # Along the stream a collapse shows only if it left no score behind.
    if known.size and (over_steps or known.size < len(y)):
        axes.plot(x[known[-1]], y[known[-1]], marker="x", color=style.colour, ms=5, mew=1.2, zorder=4, clip_on=True)


def finish(figure: Figure, group: Group, styles: Styles, x_title: str) -> None:
    """Heading, legend and the title of the axis; room for them."""
    seeds = max(len(row.runs) for row in group.rows)
    said = f"line: mean, band: min–max over up to {seeds} runs" if seeds > 1 else "one run each"
    if any(row.collapsed_steps for row in group.rows):
        said += "; thin line ending in ✕: a run that collapsed"
    heading(figure, group.title, f"{group.block.title}; {said}")
    # A column is as wide as its line and its longest name.
    fitting = int(WIDTH / (0.55 + 0.06 * max((len(row.label) for row in group.rows), default=0)))
    columns = max(1, min(len(group.rows), 6, fitting))
    lines = -(-len(group.rows) // columns)
    height = figure.get_size_inches()[1] + 0.16 * lines
    figure.set_size_inches(figure.get_size_inches()[0], height)
    figure.legend(
        handles=legend_handles(group.rows, styles), loc="lower center", ncols=columns, frameon=False,
        bbox_to_anchor=(0.5, 0.08 / height), handlelength=3.0, columnspacing=1.4, labelspacing=0.35,
    )  # fmt: skip
    foot = 0.2 + 0.16 * lines
    figure.text(0.5, (foot + 0.1) / height, x_title, ha="center", va="center", fontsize=7.0)
    panels = len(figure.axes)
    figure.subplots_adjust(
        left=0.5 / figure.get_size_inches()[0], right=0.985, bottom=(foot + 0.42) / height,
        top=1 - 0.75 / height, wspace=0.62 if panels > 3 else 0.3 if panels == 3 else 0.06,
    )  # fmt: skip


def legend_handles(rows: Sequence[Row], styles: Styles) -> list[Line2D]:
    """One entry per row, as it is drawn."""
    handles = []
    for row in rows:
        style = styles[row.label]
        keywords = {"color": style.colour, "ls": style.line, "lw": 1.2}
        marker = "" if row.method == BASE else style.marker
        handles.append(Line2D([], [], label=row.label, marker=marker, ms=3.6, **keywords))
    return handles
