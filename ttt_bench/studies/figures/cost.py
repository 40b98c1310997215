"""Bars of seconds at source and test time, and of peak memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.studies.answers.cost import (
    PREDICTION,
    TRAINING,
    UPDATE,
    further,
    image_milliseconds,
    memory,
    source_seconds,
)
from ttt_bench.studies.answers.gradients import tables_of
from ttt_bench.studies.figures.layout import LEGEND, legend_below, panels, row_title

Stored = dict[str, Any]
SOURCE, FURTHER, UPDATES, ANSWER = "#b5b5b5", "#CC79A7", "#D55E00", "#0072B2"
ROW = 0.2
"""Inches per method."""


def draw_costs(title: str, stored: Sequence[Stored]) -> Sketch:
    """Per setting three panels with a line per method."""
    tables = tables_of(stored)
    lines = max(len(rows) for rows in tables.values())
    figure, axes = panels(len(tables), 3, ROW * (lines + 1), left=0.75, legend=LEGEND, wspace=0.12, gap=0.9, top=0.85)
    for (source, test, peak), (name, rows) in zip(axes, tables.items(), strict=True):
        labels = list(rows)
        _stacked(source, rows, [(SOURCE, lambda m: source_seconds(m, TRAINING)), (FURTHER, _further)])
        _stacked(test, rows, [
            (UPDATES, lambda m: image_milliseconds(m, UPDATE)), (ANSWER, lambda m: image_milliseconds(m, PREDICTION)),
        ])  # fmt: skip
        _beside(peak, rows)
        for panel, head in ((source, "source time (s)"), (test, "test time (ms / image)"), (peak, "peak memory (MiB)")):
            panel.set_title(head)
            panel.set_yticks(range(len(labels)), labels if panel is source else [""] * len(labels))
            panel.tick_params(axis="y", length=0)
            panel.set_ylim(len(labels) - 0.4, -0.6)
        row_title(source, name.replace("->", " → "))
    heading(figure, title, "medians; memory over an idle process")
    legend_below(figure, [
        Patch(facecolor=SOURCE, label="source training"), Patch(facecolor=FURTHER, label="further source stages"),
        Patch(facecolor=UPDATES, label="updates (memory: test)"), Patch(facecolor=ANSWER, label="prediction"),
    ])  # fmt: skip
    return Sketch(figure, title, tuple(each["id"] for each in stored))


def _further(members: Sequence[Stored]) -> float:
    return sum(source_seconds(members, name) for name in further(members[0]))


def _stacked(axes: Axes, rows: Mapping[str, list[Stored]], parts: Sequence[tuple[str, Any]]) -> None:
    for place, members in enumerate(rows.values()):
        left = 0.0
        for colour, value in parts:
            width = value(members)
            axes.barh(place, width, left=left, height=0.62, color=colour, zorder=2)
            left += width


def _beside(axes: Axes, rows: Mapping[str, list[Stored]]) -> None:
    for place, members in enumerate(rows.values()):
        kinds = ((SOURCE, [TRAINING]), (FURTHER, further(members[0])), (UPDATES, [UPDATE, PREDICTION]))
        for shift, (colour, stages) in zip((-0.22, 0.0, 0.22), kinds, strict=True):
            value = memory(members, stages)
            if np.isfinite(value):
                axes.barh(place + shift, value, height=0.2, color=colour, zorder=2)
