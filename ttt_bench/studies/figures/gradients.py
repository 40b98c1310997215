"""Cosines of gradients over the steps, and the matrices between tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.report.paper import paper_order
from ttt_bench.report.style import MethodStyle, method_styles
from ttt_bench.studies.answers.gradients import over_steps, tables_of
from ttt_bench.studies.figures.layout import LEGEND, legend_below, padded, panels, row_title

Stored = dict[str, Any]
KINDS = ((False, "moving the trained network"), (True, "moving an encoder of their own"))
APART = 2.0
"""Line width of a method that moves no part of the trained network."""


def draw_gradients(title: str, stored: Sequence[Stored]) -> Sketch:
    """Per table a curve per method and task, and the tasks' matrix, mean over the methods of each kind."""
    tables = tables_of(stored)
    most = max(len(each["tasks"]) for each in stored)
    matrices = len({each["apart"] for each in stored}) if most > 1 else 0
    figure, axes = panels(
        len(tables), most + matrices, 1.4, left=0.68, legend=1.6 * LEGEND, wspace=0.38, gap=0.95, top=0.9
    )
    labels = list(dict.fromkeys(label for rows in tables.values() for label in rows))
    styles = method_styles(labels, paper_order())
    for line, (name, rows) in zip(axes, tables.items(), strict=True):
        tasks = next(iter(rows.values()))[0]["tasks"]
        for place, (panel, task) in enumerate(zip(line, tasks, strict=False), start=1):
            curves = [_curve(panel, members, place, styles[label]) for label, members in rows.items()]
            panel.axhline(0, color="#000000", lw=0.7, zorder=1)
            panel.set_ylim(*padded([0.0, *(v for curve in curves for v in curve)], least=0.02))
            panel.set_title(task)
            panel.set_xlabel("step", labelpad=1.5)
        line[0].set_ylabel("cosine with supervised")
        _matrices(line[most:], rows, tasks)
        for panel in line[len(tasks) : most]:
            panel.set_visible(False)
        row_title(line[0], name.replace("->", " → "))
    said = "gradient of the test-time loss against each task's supervised one; mean over batches and seeds"
    heading(figure, title, said)
    legend_below(figure, [
        Line2D([], [], label=label, **_look(_members(tables, label), styles[label])) for label in labels
    ], columns=7)  # fmt: skip
    return Sketch(figure, title, tuple(each["id"] for each in stored))


def _members(tables: dict[str, dict[str, list[Stored]]], label: str) -> list[Stored]:
    return next(rows[label] for rows in tables.values() if label in rows)


def _look(members: Sequence[Stored], style: MethodStyle) -> dict[str, Any]:
    return {**style.plot, "ms": 3.2, "lw": APART if members[0]["apart"] else 1.0}


def _curve(axes: Axes, members: Sequence[Stored], place: int, style: MethodStyle) -> list[float]:
    values = over_steps(members)[:, 0, place]
    axes.plot(members[0]["steps"], values, **_look(members, style), mew=0.4, mec="white", zorder=3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    return [float(v) for v in values if np.isfinite(v)]


def _matrices(axes: Sequence[Axes], rows: dict[str, list[Stored]], tasks: Sequence[str]) -> None:
    shown = [(apart, said) for apart, said in KINDS if any(m[0]["apart"] is apart for m in rows.values())]
    for panel, (apart, said) in zip(axes, shown, strict=False):
        found = np.array([over_steps(m)[:, 1:, 1:] for m in rows.values() if m[0]["apart"] is apart])
        with np.errstate(invalid="ignore"):
            _heat(panel, np.nanmean(found, axis=(0, 1)) if np.isfinite(found).any() else found[0, 0], tasks)
        panel.set_title(f"between tasks,\n{said.replace('moving ', '')}", fontsize=6.3)
    for panel in axes[len(shown) :]:
        panel.set_visible(False)


def _heat(axes: Axes, matrix: npt.NDArray[np.float64], tasks: Sequence[str]) -> None:
    axes.imshow(np.where(np.eye(len(tasks), dtype=bool), np.nan, matrix), vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
    axes.grid(False)
    axes.set_xticks(range(len(tasks)), [task[:4] for task in tasks])
    axes.set_yticks(range(len(tasks)), [task[:4] for task in tasks])
    axes.tick_params(length=0, labelsize=6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "#9a9a9a" if i == j else "white" if abs(value) > 0.65 else "black"
            axes.text(j, i, "1" if i == j else f"{value:+.2f}", ha="center", va="center", fontsize=5.5, color=colour)
