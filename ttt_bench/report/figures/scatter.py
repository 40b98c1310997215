"""Delta against synchronisation, and against cost: one named point per method and pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    SymmetricalLogLocator,
)
from scipy.stats import spearmanr

from ttt_bench.report.figures.canvas import Sketch, cells_of, heading, label_points, robust_limits
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import BASE
from ttt_bench.report.style import WIDTH, MethodStyle
from ttt_bench.report.uncertainty import DELTA

Styles = Mapping[str, MethodStyle]
_NICE = (1.0, 2.0, 5.0)
_PANELS = (
    ("sv", "step variance ↓ (squared steps)"),
    ("dtw", "DTW ↓"),
    ("cs", "cosine similarity ↑"),
)


def draw_sync(groups: Sequence[Group], styles: Styles) -> Sketch | None:
    """Delta at the last step against SV, DTW and CS; a row of panels per pair (the paper's Fig. 3)."""
    shown = [group for group in groups if _points(group, "sv")]
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH, 0.7 + 2.3 * len(shown)))
    axes = figure.subplots(len(shown), len(_PANELS), squeeze=False)
    _adjust(figure, len(shown), left=0.085, wspace=0.16)
    for row, group in zip(axes, shown, strict=True):
        for panel, (key, title) in zip(row, _PANELS, strict=True):
            points = _points(group, key)
            # One unsynchronised method among synchronised ones would push the others together.
            if key != "cs" and max(p[0] for p in points) > 10:
                panel.set_xscale("symlog", linthresh=1.0, subs=[])
                _plain_ticks(panel, SymmetricalLogLocator(base=10, linthresh=1.0, subs=_NICE))
            else:
                panel.xaxis.set_major_locator(MaxNLocator(nbins=5))
            _scatter(panel, points, styles)
            panel.set_xlabel(title, labelpad=1.5)
            panel.set_title(_correlation(points), color="#555555")
        row[0].set_ylabel(f"{group.title}\nΔ at the last step (%) ↑")
    _title(figure, "Do the tasks move together?", groups, "over adaptation steps; means over seeds")
    return Sketch(figure, f"Synchronisation: {groups[0].block.title}", cells_of(shown))


def draw_cost(groups: Sequence[Group], styles: Styles) -> Sketch | None:
    """Delta at the last step against the time of one update, in base's evaluation forwards."""
    shown = [group for group in groups if _points(group, "cost/relative")]
    if not shown:
        return None
    columns = min(len(shown), 2)
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(WIDTH * (1.0 if columns > 1 else 0.6), 0.7 + 2.5 * lines))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    _adjust(figure, lines, left=0.085 if columns > 1 else 0.13, wspace=0.2)
    for panel, group in zip(axes, shown, strict=False):
        points = [p for p in _points(group, "cost/relative") if p[0] > 0]
        panel.set_xscale("log")
        _plain_ticks(panel, LogLocator(base=10, subs=_NICE))
        _scatter(panel, points, styles)
        panel.set_title(group.title)
        panel.set_xlabel("one update, in un-adapted evaluation forwards (log) ↓", labelpad=1.5)
        panel.set_ylabel("Δ at the last step (%) ↑")
    for panel in axes[len(shown) :]:
        panel.set_visible(False)
    _title(figure, "Gain against cost", groups, "means over seeds, bars: sd")
    return Sketch(figure, f"Cost: {groups[0].block.title}", cells_of(shown))


Point = tuple[float, float, float, str]
"""x, Delta, its sd, label."""


def _points(group: Group, key: str) -> list[Point]:
    found = []
    for row in group.rows:
        x, y = row.mean(key), row.mean(DELTA)
        # The base neither moves nor costs an update; it is the line at 0.
        if row.method != BASE and np.isfinite([x, y]).all():
            found.append((x, y, row.sd(DELTA), row.label))
    return found


def _scatter(axes: Axes, points: Sequence[Point], styles: Styles) -> None:
    axes.axhline(0.0, color="#000000", lw=0.7, ls=(0, (6, 2)), zorder=1)
    for x, y, sd, label in points:
        style = styles[label]
        if np.isfinite(sd):
            axes.errorbar(x, y, yerr=sd, color=style.colour, lw=0.8, zorder=2)
        axes.plot(x, y, marker=style.marker, color=style.colour, ms=4.5, mew=0.9, zorder=3)
    limits = robust_limits([np.array([y]) for _, y, _, _ in points] + [np.zeros(1)])
    if limits is not None:
        room = 0.06 * (limits[1] - limits[0])
        axes.set_ylim(limits[0] - room, limits[1] + room)
    _widen(axes)
    low, high = axes.get_ylim()
    named = []
    for x, y, _, label in points:
        # A point far off would flatten all others: it is named at the edge, with its value.
        edge = min(max(y, low), high)
        name = label if edge == y else f"{label} ({y:+.0f} %) {'↓' if y < low else '↑'}"
        named.append((x, edge, name, styles[label].colour))
    label_points(axes, named)


def _plain_ticks(axes: Axes, locator: Locator) -> None:
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _widen(axes: Axes) -> None:
    middle = float(np.mean(axes.get_xlim()))
    if axes.get_xscale() == "linear" and np.ptp(axes.get_xlim()) < 0.2:
        axes.set_xlim(middle - 0.1, middle + 0.1)  # equal values are not spread out by their rounding
    # Names stand beside their points, so the outermost points need room.
    low, high = axes.transData.transform([(x, 0) for x in axes.get_xlim()])[:, 0]
    inverse = axes.transData.inverted()
    left, right = (inverse.transform((x, 0))[0] for x in (low - 0.12 * (high - low), high + 0.16 * (high - low)))
    axes.set_xlim(left, right)


def _correlation(points: Sequence[Point]) -> str:
    if len(points) < 3:
        return ""
    x, y = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return ""
    return f"rank correlation with Δ: {spearmanr(x, y).statistic:+.2f} (n = {len(points)})"


def _adjust(figure: Figure, lines: int, left: float, wspace: float) -> None:
    height = figure.get_size_inches()[1]
    figure.subplots_adjust(
        left=left, right=0.99, bottom=0.42 / height, top=1 - 0.58 / height, wspace=wspace,
        hspace=0.62 / (max(height - 1.0, 1.0) / lines - 0.4) if lines > 1 else 0,
    )  # fmt: skip


def _title(figure: Figure, what: str, groups: Sequence[Group], said: str) -> None:
    heading(figure, what, f"{groups[0].block.title}; {said}")
