"""Curves over what a study varies: a mask ratio or a noise scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ttt_bench.report.figures.canvas import Sketch, cells_of
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.paper import paper_order
from ttt_bench.report.runs import BASE, BN
from ttt_bench.report.style import MethodStyle, method_styles
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
)
from ttt_bench.studies.results import GAIN, PartResult
from ttt_bench.studies.tables import NOISE_PANELS, variants

Array = npt.NDArray[np.float64]


WIDE = 3.0
"""Points: the width of ``bn``'s line."""


def draw_ratios(title: str, groups: Sequence[Group]) -> Sketch:
    """Per table: every task's relative gain and Delta over the mask ratio, with ``bn`` and ``base`` as lines."""
    columns = max(len(group.metrics) for group in groups) + 1
    figure, axes = panels(len(groups), columns, 1.35, left=0.62, legend=LEGEND, wspace=0.42, gap=0.8)
    labels = list(dict.fromkeys(_series(row) for group in groups for row in variants(group)))
    styles = method_styles(labels, paper_order())
    for line, group in zip(axes, groups, strict=True):
        keys = [(f"{GAIN}{m.task}", f"{m.task} gain (%) ↑") for m in group.metrics] + [(DELTA, "Δ (%) ↑")]
        for panel, (key, head) in zip(line, keys, strict=False):
            panel.set_title(head)
            shown = [_level(panel, group, method, key) for method in (BASE, BN)][1:]
            for label in labels:
                rows = [row for row in variants(group) if _series(row) == label]
                points = sorted((float(row.runs[0].run.options["mask_ratio"]), row) for row in rows)
                shown += _curve(panel, [p[0] for p in points], [p[1] for p in points], key, styles[label])
            # The un-adapted model may be far below: it is the zero of the axis, not worth flattening the curves.
            panel.set_ylim(*padded(shown, least=1.0))
            panel.set_xlabel("mask ratio", labelpad=1.5)
        for panel in line[len(keys) :]:
            panel.set_visible(False)
        line[0].set_ylabel(name_of(group, groups))
    entitle(figure, title, groups, "one model per ratio, last step; line: mean, band: min-max over seeds")
    legend_below(figure, [*_legend(labels, styles), *_controls()])
    return Sketch(figure, title, cells_of(groups))


def draw_noise(title: str, parts: Sequence[PartResult]) -> Sketch:
    """Per table: Delta against the noisy and the clean ``base``, and over ``bn``, over the noise scale."""
    groups = parts[0].groups
    figure, axes = panels(len(groups), len(NOISE_PANELS), 1.7, left=0.62, legend=LEGEND, wspace=0.27, gap=0.8)
    labels = list(dict.fromkeys(row.label for group in groups for row in group.rows))
    styles = method_styles(labels, paper_order())
    for line, group in zip(axes, groups, strict=True):
        members = [(float(part.key), part.group(group)) for part in parts]
        for panel, (measure, head) in zip(line, NOISE_PANELS, strict=True):
            panel.set_title(head)
            values: list[float] = []
            for label in labels:
                if measure == DELTA_BN and label == BASE:
                    continue  # its distance is bn's gain, which would flatten the others'
                found = [(x, r) for x, g in members if g for r in g.rows if r.label == label]
                values += _curve(panel, [x for x, _ in found], [r for _, r in found], measure, styles[label])
            panel.set_ylim(*padded(values, least=1.0))
            panel.set_xlabel("noise scale (in sd of the images)", labelpad=1.5)
        line[0].set_ylabel(name_of(group, groups))
    entitle(figure, title, groups, "last step; line: mean, band: min-max over seeds")
    legend_below(figure, _legend(labels, styles))
    return Sketch(figure, title, cells_of([g for part in parts for g in part.groups]))


def _series(row: Row) -> str:
    """A variant's method, without the ratio in its label."""
    own = row.label.partition("[")[2].rstrip("]")
    return own or row.method


def _curve(axes: Axes, x: Sequence[float], rows: Sequence[Row], key: str, style: MethodStyle) -> list[float]:
    samples = [row.sample(key) for row in rows]
    known = [(at, s[np.isfinite(s)]) for at, s in zip(x, samples, strict=True) if np.isfinite(s).any()]
    if not known:
        return []
    at = [place for place, _ in known]
    axes.plot(at, [s.mean() for _, s in known], **_look(rows[0].method, style), mew=0.4, mec="white", zorder=3)
    if max(len(s) for _, s in known) > 1:
        low, high = [s.min() for _, s in known], [s.max() for _, s in known]
        axes.fill_between(at, low, high, color=style.colour, alpha=0.15, lw=0, zorder=2)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=3))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    return [float(v) for _, s in known for v in s]


def _level(axes: Axes, group: Group, method: str, key: str) -> float:
    row = group.row(method)
    level = row.mean(key) if row is not None else float("nan")
    if np.isfinite(level):
        colour, line = (BASE_COLOUR, (0, (6, 2))) if method == BASE else (BN_COLOUR, "-")
        axes.axhline(level, color=colour, ls=line, lw=0.9 if method == BASE else WIDE, alpha=0.6, zorder=1.5)
    return level


def _look(method: str, style: MethodStyle) -> dict[str, Any]:
    """``bn`` is wide and pale, so that it shows below a method that does not differ from it."""
    if method == BN:
        return {**style.plot, "marker": "", "lw": WIDE, "alpha": 0.6}
    return {**style.plot, "marker": "" if method == BASE else style.marker}


def _legend(labels: Sequence[str], styles: dict[str, MethodStyle]) -> list[Line2D]:
    return [Line2D([], [], label=label, **{"ms": 3.6, "lw": 1.2, **_look(label, styles[label])}) for label in labels]


def _controls() -> list[Line2D]:
    return [
        Line2D([], [], color=BN_COLOUR, lw=WIDE, alpha=0.6, label="bn"),
        Line2D([], [], color=BASE_COLOUR, lw=0.9, ls=(0, (6, 2)), label="base (0, where it is in view)"),
    ]
