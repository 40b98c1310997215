"""Heat maps of task affinity, and what a TBS retains under masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ttt_bench.measurements.numbers import MODELS, REFERENCE, TOTAL, mean_matrices, retained
from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.report.style import method_styles
from ttt_bench.studies.answers.checks import affinity_groups, spread, tbs_groups
from ttt_bench.studies.figures.layout import LEGEND, legend_below, padded, panels, row_title
from ttt_bench.tasks import TASKS

Stored = dict[str, Any]


def draw_affinity(title: str, stored: Sequence[Stored]) -> Sketch:
    """Per table a heat map of each model's affinity, with its numbers and its gap to the fine-tuned one."""
    groups = affinity_groups(stored)
    figure, axes = panels(len(groups), len(MODELS), 1.5, left=0.62, wspace=0.12, gap=0.85, top=0.88)
    figure.subplots_adjust(right=0.93)
    panels_shown = [matrix for members in groups.values() for matrix in mean_matrices(members).values()]
    off = [abs(m[~np.eye(len(m), dtype=bool)]).max(initial=0.0) for m in panels_shown]
    limit = max(0.1, float(np.ceil(10 * max(off))) / 10)
    image = None
    for line, (name, members) in zip(axes, groups.items(), strict=True):
        means, tasks = mean_matrices(members), members[0]["tasks"]
        for panel, model in zip(line, MODELS, strict=True):
            # The diagonal is 1 by definition; with it on the scale, everything else would look white.
            shown = np.where(np.eye(len(tasks), dtype=bool), np.nan, means[model])
            image = panel.imshow(shown, vmin=-limit, vmax=limit, cmap="RdBu_r", aspect="auto")
            _number(panel, means[model], limit)
            panel.set_xticks(range(len(tasks)), tasks)
            panel.set_yticks(range(len(tasks)), tasks if panel is line[0] else [])
            gaps = [each["gaps"][model] for each in members]
            said = "the reference" if model == REFERENCE else f"gap {spread(gaps, 3)}"
            panel.set_title(f"{_TITLES[model]}\n{said}")
        row_title(line[0], name.replace("->", " → "))
    if image is not None:
        bar = figure.add_axes((0.945, 0.2, 0.012, 0.5))
        figure.colorbar(image, cax=bar, ticks=[-limit, 0, limit])
    said = (
        "cosine between the slices of two tasks, mean over pixels and target images; gap: mean |difference| to the last"
    )
    heading(figure, title, said)
    return Sketch(figure, title, tuple(each["id"] for each in stored))


_TITLES = {
    "before": "before adaptation",
    "bn": "bn: statistics alone",
    "after": "after adaptation",
    REFERENCE: "fine-tuned on labels",
}


def _number(axes: Axes, matrix: Any, limit: float) -> None:
    axes.grid(False)
    axes.tick_params(length=0, labelsize=6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (i, j), value in np.ndenumerate(matrix):
        same = i == j
        colour = "#9a9a9a" if same else "white" if abs(value) > 0.65 * limit else "black"
        axes.text(j, i, "1" if same else f"{value:+.2f}", ha="center", va="center", fontsize=6, color=colour)


def draw_retained(title: str, stored: Sequence[Stored]) -> Sketch:
    """Per table a panel: loss at ratio 0 / loss at the ratio, for every task and the total."""
    groups = tbs_groups(stored)
    columns = min(len(groups), 2)
    rows = -(-len(groups) // columns)
    figure, axes = panels(rows, columns, 2.0, left=0.62, legend=LEGEND, wspace=0.2, gap=0.8)
    if columns == 1:
        figure.subplots_adjust(left=0.2, right=0.8)
    names = [name for name in TASKS if any(name in each["losses"] for each in stored)]
    styles = method_styles(names, ())
    flat = [panel for line in axes for panel in line]
    for panel, (name, members) in zip(flat, groups.items(), strict=False):
        values = [90.0, 100.0]
        for task in names:
            values += _draw(panel, members, task, dict(styles[task].plot))
        values += _draw(panel, members, TOTAL, {"color": "#000000", "lw": 1.8})
        values.append(_draw_blind(panel, members))
        panel.axhline(90, color="#7f7f7f", lw=0.8, ls=(0, (4, 2)), zorder=1)
        panel.axvline(members[0]["trained_ratio"], color="#7f7f7f", lw=0.8, ls=(0, (1, 1)), zorder=1)
        panel.set_ylim(*padded(values, share=0.06))
        panel.set_title(name)
        panel.set_xlabel("mask ratio at evaluation", labelpad=1.5)
        panel.set_ylabel("retained: loss(0) / loss (%) ↑")
    for panel in flat[len(groups) :]:
        panel.set_visible(False)
    heading(figure, title, "held-out source images, eval mode; line: mean, band: min-max over source models")
    legend_below(figure, [
        *(Line2D([], [], label=task, ms=3.6, **styles[task].plot) for task in names),
        Line2D([], [], color="#000000", lw=1.8, label=TOTAL),
        Line2D([], [], color="#000000", lw=0.9, ls=(0, (1, 1.5)), label="total, other image"),
        Line2D([], [], color="#7f7f7f", lw=0.8, ls=(0, (4, 2)), label="90 %"),
        Line2D([], [], color="#7f7f7f", lw=0.8, ls=(0, (1, 1)), label="trained ratio"),
    ], columns=8)  # fmt: skip
    return Sketch(figure, title, tuple(each["id"] for each in stored))


def _draw_blind(axes: Axes, members: Sequence[Stored]) -> float:
    """The total of a TBS that is given another image's latents."""
    level = float(np.mean([100 * np.mean(each["losses"][TOTAL][0]) / each["strangers"][TOTAL] for each in members]))
    axes.axhline(level, color="#000000", lw=0.9, ls=(0, (1, 1.5)), zorder=1)
    return level


def _draw(axes: Axes, members: Sequence[Stored], task: str, style: dict[str, Any]) -> list[float]:
    kept = np.array([retained(each["losses"][task]) for each in members if task in each["losses"]])
    if not kept.size:
        return []
    axes.plot(members[0]["ratios"], kept.mean(axis=0), **style, zorder=3)
    if len(kept) > 1:
        axes.fill_between(
            members[0]["ratios"], kept.min(axis=0), kept.max(axis=0), color=style["color"], alpha=0.15, lw=0
        )
    return [float(v) for v in kept.ravel()]
