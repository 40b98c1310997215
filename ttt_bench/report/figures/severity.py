"""Image classification over the severities of corruption: one line a method, mean over the kinds."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ttt_bench.report.figures.canvas import Sketch, cells_of, heading
from ttt_bench.report.groups import Group
from ttt_bench.report.severities import over_severities
from ttt_bench.report.style import WIDTH, MethodStyle


def draw_severity(groups: Sequence[Group], styles: dict[str, MethodStyle]) -> Sketch | None:
    """Accuracy (or error) over severities, a panel for each target; None where there is one severity.

    Each point is the mean over the kinds of corruption that every severity of the target has.
    """
    found = over_severities(groups)
    if not found:
        return None
    rows = -(-len(found) // 2)
    figure = Figure(figsize=(WIDTH, 0.9 + 2.4 * rows))
    panels = figure.subplots(rows, min(2, len(found)), squeeze=False)
    figure.subplots_adjust(left=0.09, right=0.8, top=1 - 0.55 / (0.9 + 2.4 * rows), bottom=0.5 / (0.9 + 2.4 * rows))
    for axes, shown in zip(panels.flat, found, strict=False):
        for label, levels in shown.levels.items():
            axes.plot(shown.severities, levels, label=label, **styles[label].plot, ms=4, lw=1)
        axes.set_title(f"{shown.source} → {shown.clean}, {len(shown.kinds)} kinds")
        axes.set_xticks(shown.severities)
        axes.set_xlabel("severity")
        axes.set_ylabel(f"{shown.metric.title} (%)")
    for axes in list(panels.flat)[len(found) :]:
        axes.set_axis_off()
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(0.81, 0.5), frameon=False)
    heading(figure, "Over the severities of corruption", f"{groups[0].block.title}; at the last step, mean over seeds")
    return Sketch(figure, f"Severity: {groups[0].block.title}", cells_of(groups))
