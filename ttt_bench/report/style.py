"""How figures look, in one place: sizes, fonts, and a colour, line and marker per method."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ttt_bench.report.runs import BASE, BN

WIDTH = 7.2
"""Inches: the text width of a two-column page, so that a figure is read at the size it is drawn."""

DPI = 220

STYLES = ("screen", "paper")
"""Of figures: with titles, as PNG and PDF; or those of a paper besides, see ``figures/paper``."""

RC: Any = {
    # A dollar sign in a name is a dollar sign.
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.0,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 7.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.6,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "savefig.facecolor": "white",
}

# Okabe and Ito's palette without black (the base line) and yellow (unreadable on white).
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8")


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn, in every figure."""

    colour: str
    line: Any
    marker: str

    @property
    def plot(self) -> dict[str, Any]:
        """Keywords of ``Axes.plot``."""
        return {"color": self.colour, "linestyle": self.line, "marker": self.marker}


def method_styles(labels: Sequence[str], order: Sequence[str]) -> dict[str, MethodStyle]:
    """A style for each label: fixed for the methods of ``order``, the next free ones for the others.

    No two labels share both colour and line, and markers repeat only after thirteen, so that a figure is
    readable in grey and to the colour-blind.
    """
    styles = {
        BASE: MethodStyle("#000000", (0, (6, 2)), "_"),
        BN: MethodStyle("#7f7f7f", "-", "*"),
    }
    fixed = [name for name in order if name not in styles]
    others = [label for label in labels if label not in styles and label not in fixed]
    for place, name in enumerate([*fixed, *others]):
        line = _LINES[place // len(_COLOURS) % len(_LINES)]
        styles[name] = MethodStyle(_COLOURS[place % len(_COLOURS)], line, _MARKERS[place % len(_MARKERS)])
    return {label: styles[label] for label in labels}


def draw_into_files() -> None:
    """To be called before matplotlib is imported: a backend that the user chose for windows is not even looked for."""
    os.environ["MPLBACKEND"] = "agg"
