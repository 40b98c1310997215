"""Delta against the size of what is in memory, a point per method and network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttt_bench.report.figures.canvas import Sketch, cells_of, label_points
from ttt_bench.report.groups import Group
from ttt_bench.studies.answers.strong_baseline import DELTA_PLAIN, NAMES
from ttt_bench.studies.figures.layout import entitle, name_of, padded, panels

COLOURS = dict(zip(NAMES.values(), ("#0072B2", "#D55E00"), strict=True))
PANELS = (("last/delta", "Δ over the network's own base (%) ↑"), (DELTA_PLAIN, "Δ over the plain base (%) ↑"))


def draw_networks(title: str, groups: Sequence[Group]) -> Sketch:
    """Per table two panels: against either ``base``."""
    figure, axes = panels(len(groups), 2, 1.9, left=0.62, wspace=0.25, gap=0.8)
    for line, group in zip(axes, groups, strict=True):
        for panel, (key, head) in zip(line, PANELS, strict=True):
            points, seen = [], []
            for row in group.rows:
                values, size = row.sample(key), row.mean("cost/parameters") / 1e6
                seen += list(values)
                colour = COLOURS[row.label.rpartition(", ")[2]]
                panel.plot(np.full(len(values), size), values, ".", color=colour, ms=3.5, alpha=0.45, mew=0)
                if np.isfinite(values).all() and len(values):
                    panel.plot([size], [values.mean()], "o", color=colour, ms=5, mec="white", mew=0.5)
                    points.append((size, float(values.mean()), row.label.rpartition(", ")[0], colour))
            panel.set_ylim(*padded(seen, least=1.0))
            panel.set_xlim(0, 1.25 * max((x for x, _, _, _ in points), default=1.0))
            panel.set_xlabel("parameters in memory (M)", labelpad=1.5)
            panel.set_title(head)
            label_points(panel, points)
        line[0].set_ylabel(name_of(group, groups))
    said = ", ".join(f"{'blue' if place == 0 else 'red'}: {name}" for place, name in enumerate(COLOURS))
    entitle(figure, title, groups, f"last step; {said}; small dots: one seed each")
    return Sketch(figure, title, cells_of(groups))
