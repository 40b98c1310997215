"""Trajectories minus the ``bn`` control's, seed by seed: methods that lie on each other elsewhere can be told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from ttt_bench.report.entries import metric_head
from ttt_bench.report.figures.canvas import Sketch, cells_of
from ttt_bench.report.figures.curves import STEP_MEANS, Curve, Styles, draw_panel, finish, values_of
from ttt_bench.report.groups import Group
from ttt_bench.report.scoring import Scored
from ttt_bench.report.style import WIDTH

Panel = tuple[str, Curve, float]
"""Title, curve and scale."""


def compared(group: Group) -> Group | None:
    """The group without its controls; None where no row has a control to compare with."""
    rows = tuple(row for row in group.rows if not row.is_control)
    able = any(scored.run.surroundings in group.controls for row in rows for scored in row.runs)
    return replace(group, rows=rows) if able and group.metrics else None


def difference_panels(group: Group) -> list[Panel]:
    """A panel per metric and one for Delta; up is better in each."""
    panels: list[Panel] = []
    for metric in group.metrics:
        sign = 1.0 if metric.higher_is_better else -1.0
        unit = f" ({metric.unit})" if metric.unit else ""
        name = metric_head(metric).rsplit(" ", 1)[0].removesuffix(unit)
        panels.append((f"{name}:\ngain over bn{unit} ↑", _minus(group, values_of(metric.id)), sign * metric.scale))
    panels.append(("Δ − bn\n(points) ↑", _minus(group, lambda s: (s.run.steps, s.delta)), 1.0))
    return panels


def draw_differences(group: Group, styles: Styles) -> Sketch | None:
    """One row of panels; None where there is nothing to compare."""
    shown = compared(group)
    if shown is None:
        return None
    figure = Figure(figsize=(WIDTH, 2.5))
    panels = difference_panels(group)
    for axes, (title, curve, scale) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(title)
        axes.axhline(0.0, color="#7f7f7f", lw=0.9, zorder=1.5)
        draw_panel(axes, shown, styles, curve, scale)
    meaning = STEP_MEANS.get(group.block.protocol, "adaptation steps")
    finish(figure, shown, styles, f"adaptation steps: {meaning}")
    return Sketch(figure, f"{group.pair}: over bn, {group.block.title}", cells_of([group]))


def _minus(group: Group, curve: Curve) -> Curve:
    def difference(scored: Scored) -> tuple[np.ndarray, np.ndarray]:
        control = group.controls.get(scored.run.surroundings)
        x, y = curve(scored)
        if control is None or not np.array_equal(curve(control)[0], x):
            return np.empty(0), np.empty(0)
        return x, y - curve(control)[1]

    return difference
