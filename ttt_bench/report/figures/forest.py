"""Delta over ``bn`` with its interval for every method, and mean ranks with their critical difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_bench.report.figures.canvas import Sketch, cells_of, heading, robust_limits
from ttt_bench.report.groups import Group
from ttt_bench.report.overview import pair_names
from ttt_bench.report.relations import ranks_of
from ttt_bench.report.style import WIDTH, MethodStyle
from ttt_bench.report.uncertainty import DELTA_BN
from ttt_bench.statistics.comparison import ALPHA, Ranks

Styles = Mapping[str, MethodStyle]
MOST_ACROSS = 4
"""Panels in one line."""


def draw_forest(groups: Sequence[Group], styles: Styles) -> Sketch | None:
    """A panel per pair: every method's Delta over ``bn`` at the last step with its 95 % interval as whiskers."""
    shown = [group for group in groups if any(row.over_bn is not None for row in group.uncertainty.rows.values())]
    if not shown:
        return None
    labels = list(dict.fromkeys(r.label for g in shown for r in g.rows if not r.is_control))
    titles = pair_names(shown)
    lines = -(-len(shown) // MOST_ACROSS)
    across = -(-len(shown) // lines)
    names = 0.06 * max(map(len, labels)) + 0.15
    panel, gap = 0.16 * len(labels) + 0.12, 0.55
    height = 0.5 + lines * (panel + gap)
    figure = Figure(figsize=(WIDTH, height))
    wide = (WIDTH - names - 0.1 * across) / across
    for place, group in enumerate(shown):
        line, column = divmod(place, across)
        left, top = names + column * (wide + 0.1), height - 0.5 - line * (panel + gap) - 0.15
        axes = figure.add_axes((left / WIDTH, (top - panel) / height, wide / WIDTH, panel / height))
        _whiskers(axes, group, labels, styles)
        axes.set_title(titles[place], fontsize=6.5)
        axes.set_yticks(range(len(labels)), labels if column == 0 else [""] * len(labels))
        axes.set_xlabel("Δ−bn (points) ↑", labelpad=1.0, fontsize=6.0)
    said = "whiskers: 95 % interval; filled: told from bn at 5 % (Holm); an arrow: beyond the panel; ✗: collapsed"
    heading(figure, "Every method against re-estimated batch-norm statistics", f"{groups[0].block.title}; {said}")
    return Sketch(figure, f"Over bn: {groups[0].block.title}", cells_of(shown))


def _whiskers(axes: Axes, group: Group, labels: Sequence[str], styles: Styles) -> None:
    axes.axvline(0.0, color="#7f7f7f", lw=0.8, zorder=1)
    rows = {row.label: row for row in group.rows}
    known = {label: found for label, found in group.uncertainty.rows.items() if found.over_bn is not None}
    ranges = [f.over_bn for f in known.values() if f.over_bn is not None]
    reach = [np.array([each.low, each.estimate, each.high]) for each in ranges]
    low, high = robust_limits([*reach, np.zeros(1)], reach=2.0) or (-1.0, 1.0)
    room = 0.08 * (high - low)
    low, high = low - room, high + room
    axes.set_xlim(low, high)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    for place, label in enumerate(labels):
        row, found = rows.get(label), known.get(label)
        if row is not None and not row.survivors:
            axes.plot(0.0, place, "x", color=styles[label].colour, ms=4, zorder=3)
        if row is None or found is None or found.over_bn is None:
            continue
        mean, colour = row.mean(DELTA_BN), styles[label].colour
        edge = min(max(mean, low), high)
        told = np.isfinite(found.p_holm) and found.p_holm < ALPHA
        if np.isfinite(found.over_bn.low):
            axes.hlines(place, max(found.over_bn.low, low), min(found.over_bn.high, high), color=colour, lw=1.0)
        marker = "o" if edge == mean else "<" if mean < low else ">"
        axes.plot(
            edge, place, marker, ms=4.0, mew=0.9, mec=colour, mfc=colour if told else "white", zorder=3, clip_on=False
        )


def draw_ranks(groups: Sequence[Group], styles: Styles) -> Sketch | None:
    """The critical-difference diagram (Demsar 2006, Fig. 1): methods on an axis of mean ranks, bars over the ties."""
    ranks = ranks_of(groups)
    if ranks is None or not np.isfinite(ranks.critical_difference):
        return None
    order = sorted(range(len(ranks.names)), key=lambda place: ranks.mean[place])
    half = -(-len(order) // 2)
    cliques = _cliques([ranks.mean[place] for place in order], ranks.critical_difference)
    top = 0.35 + 0.12 * len(cliques)
    height = 0.75 + top + 0.17 * half
    figure = Figure(figsize=(WIDTH * 0.8, height))
    axes = figure.add_axes((0.0, 0.02, 1.0, 1 - 0.55 / height))
    axes.set_xlim(len(order) + 0.9 + len(order) * 0.28, 0.1 - len(order) * 0.28)
    axes.set_ylim(-(top + 0.17 * half + 0.05), 0.35)
    axes.axis("off")
    _axis(axes, ranks, len(order))
    for line, (first, last) in enumerate(cliques):
        y = -0.12 * (line + 1) - 0.06
        ends = (ranks.mean[order[first]] - 0.04, ranks.mean[order[last]] + 0.04)
        axes.plot(ends, (y, y), color="#222222", lw=2.6, solid_capstyle="butt")
    for place, number in enumerate(order):
        best = place < half
        y = -(top + 0.17 * (place if best else len(order) - 1 - place))
        end = 0.6 if best else len(order) + 0.4
        name, mean, colour = ranks.names[number], ranks.mean[number], styles[ranks.names[number]].colour
        axes.plot((mean, mean, end), (0.0, y, y), color=colour, lw=0.9)
        text = f"{mean:.2f}  {name}" if best else f"{name}  {mean:.2f}"
        axes.text(
            end - 0.08 if best else end + 0.08, y, text, ha="left" if best else "right", va="center", fontsize=6.5
        )
    said = f"{groups[0].block.title}; {len(groups)} pairs, 1 is best; Friedman p {ranks.friedman_p:.2g}"
    heading(figure, "Mean ranks; a bar joins what cannot be told apart at 5 %", said)
    return Sketch(figure, f"Ranks: {groups[0].block.title}", cells_of(groups))


def _axis(axes: Axes, ranks: Ranks, count: int) -> None:
    axes.plot((1, count), (0, 0), color="black", lw=0.8)
    for rank in range(1, count + 1):
        axes.plot((rank, rank), (0, 0.05), color="black", lw=0.8)
        axes.text(rank, 0.08, str(rank), ha="center", va="bottom", fontsize=6.0)
    critical = ranks.critical_difference
    axes.plot((1, 1 + critical), (0.27, 0.27), color="#444444", lw=1.0, marker="|", ms=4)
    axes.text(0.85, 0.27, f"critical difference {critical:.2f}", ha="left", va="center", fontsize=6.0)


def _cliques(means: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """(first, last) of every longest run of sorted means that lie within the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(means)):
        last = max(place for place in range(first, len(means)) if means[place] - means[first] < critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
