"""CKA of two encoders by level, and what the heads and a linear probe read from each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ttt_bench.report.entries import metric_head
from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.studies.answers.alignment import ENCODERS, alignment_groups, metrics_of, values_of
from ttt_bench.studies.figures.layout import LEGEND, legend_below, padded, panels, row_title

Stored = dict[str, Any]
COLOURS = {"supervised": "#000000", "before": "#D55E00", "after": "#0072B2"}


def draw_alignment(title: str, stored: Sequence[Stored]) -> Sketch:
    """Per source and method: similarity before and after by level, then a panel per score."""
    groups = alignment_groups(stored)
    columns = 1 + max(len(metrics_of(m)) + len(m[0]["probes"]) for m in groups.values())
    figure, axes = panels(len(groups), columns, 1.4, left=0.62, legend=LEGEND, wspace=0.4, gap=0.95, top=0.85)
    for line, (name, members) in zip(axes, groups.items(), strict=True):
        _similarity(line[0], members)
        shown = [(metric_head(m), {e: values_of(members, e, m) for e in ENCODERS}) for m in metrics_of(members)]
        shown += [
            (f"linear probe, {task} (%) ↑", {e: [100 * each["probes"][task][e] for each in members] for e in ENCODERS})
            for task in members[0]["probes"]
        ]
        for panel, (head, values) in zip(line[1:], shown, strict=False):
            _scores(panel, head, values)
        for panel in line[1 + len(shown) :]:
            panel.set_visible(False)
        row_title(line[0], name)
    heading(figure, title, "clean held-out source images; small dots: one source model each, large: their mean")
    legend_below(figure, [
        *(Line2D([], [], color=COLOURS[e], marker="o", ms=4, ls="", label=label) for e, label in ENCODERS.items()),
        Line2D([], [], color="#7f7f7f", ls=(0, (1, 1)), label="another image's features"),
    ])  # fmt: skip
    return Sketch(figure, title, tuple(each["id"] for each in stored))


def _similarity(axes: Axes, members: Sequence[Stored]) -> None:
    levels = range(1, len(members[0]["similarity"]["after"]["cka"]) + 1)
    for encoder in ("before", "after"):
        values = np.array([each["similarity"][encoder]["cka"] for each in members])
        axes.plot(levels, values.mean(0), color=COLOURS[encoder], marker="o", ms=3.5, zorder=3)
        axes.fill_between(levels, values.min(0), values.max(0), color=COLOURS[encoder], alpha=0.15, lw=0)
    strangers = np.array([each["similarity"]["after"]["strangers"] for each in members])
    axes.plot(levels, strangers.mean(0), color="#7f7f7f", ls=(0, (1, 1)), zorder=2)
    axes.set_ylim(0, 1.02)
    axes.set_xticks(list(levels))
    axes.set_xlabel("level", labelpad=1.5)
    axes.set_title("CKA with the supervised")


def _scores(axes: Axes, head: str, values: dict[str, list[float]]) -> None:
    for place, (encoder, found) in enumerate(values.items()):
        axes.plot([place] * len(found), found, ".", color=COLOURS[encoder], alpha=0.45, ms=4, mew=0)
        axes.plot([place], [np.mean(found)], "o", color=COLOURS[encoder], ms=5, mec="white", mew=0.5)
    axes.set_xticks(range(len(values)), list(values))
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_ylim(*padded([v for found in values.values() for v in found], least=0.01))
    axes.set_title(head)
