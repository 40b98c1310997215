"""All pairs and methods in one picture: the gain of each, as a number on a colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_bench.report.figures.canvas import Array, Sketch, cells_of, heading
from ttt_bench.report.groups import Group
from ttt_bench.report.overview import gain_matrix, pair_names
from ttt_bench.report.style import WIDTH

MOST_LINES, MOST_COLUMNS = 72, 24
"""Of one picture: beyond them the numbers would have to be too small."""
_LINE, _FOOT, _TOP = 0.15, 0.25, 0.5
"""Inches: a line, and what is below and above; the names of the pairs come on top."""


def draw_overview(groups: Sequence[Group], limit: float) -> Sketch | None:
    """Delta at the last step of every method on every pair, as a heat map; None where there is no Delta.

    Args:
        groups: of one block, at most ``MOST_COLUMNS`` with ``MOST_LINES`` methods together.
        limit: percent at which the colours end, so that all parts of an overview have the same.
    """
    labels, matrix, gone = gain_matrix(groups)
    if not np.isfinite(matrix).any():
        return None
    pairs = pair_names(groups)
    names = 0.052 * max(map(len, labels)) + 0.15
    height = _TOP + 0.046 * max(map(len, pairs)) + 0.2 + _LINE * len(labels) + _FOOT
    figure = Figure(figsize=(WIDTH, height))
    width = min(WIDTH - names - 0.6, 1.15 * len(pairs))
    axes = figure.add_axes((names / WIDTH, _FOOT / height, width / WIDTH, _LINE * len(labels) / height))
    _paint(axes, matrix, gone, limit)
    axes.set_yticks(range(len(labels)), labels)
    # The names of pairs are long: they stand upright.
    axes.set_xticks(range(len(pairs)), pairs, rotation=90, va="bottom")
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0, pad=2)
    said = f"{groups[0].block.title}; Δ over base at the last step (%), mean over seeds; colours end at ±{limit:.3g} %"
    heading(figure, "Every method on every pair", said + "; ✗: every run collapsed" * bool(gone.any()))
    return Sketch(figure, f"Overview: {groups[0].block.title}", cells_of(groups))


def colour_limit(groups: Sequence[Group]) -> float:
    """Percent that nine in ten gains stay within; one far off must not pale the others."""
    gains = np.abs(gain_matrix(groups)[1])
    finite = gains[np.isfinite(gains)]
    return max(float(np.quantile(finite, 0.9)), 1.0) if finite.size else 1.0


def _paint(axes: Axes, matrix: Array, gone: npt.NDArray[np.bool_], limit: float) -> None:
    axes.imshow(np.ma.masked_invalid(matrix), cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_facecolor("#f2f2f2")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    digits = 1 if matrix.shape[1] <= 18 else 0
    for (line, column), value in np.ndenumerate(matrix):
        known = np.isfinite(value)
        text = f"{round(value, digits) + 0.0:+.{digits}f}" if known else "✗" if gone[line, column] else "–"
        dark = known and abs(value) > 0.6 * limit
        axes.text(
            column, line, text, ha="center", va="center", fontsize=5.6 if digits else 4.6,
            color="white" if dark else "#222222",
        )  # fmt: skip
