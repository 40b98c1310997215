"""A figure with the cells it shows, saved with both inside; limits and labels that keep points readable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ttt_bench.files import write_atomically
from ttt_bench.identity import identity
from ttt_bench.report.groups import Group
from ttt_bench.report.style import DPI, RC

Array = npt.NDArray[np.float64]


@contextmanager
def own_look(more: Mapping[Any, Any] = MappingProxyType({})) -> Iterator[None]:
    """While open, figures look the same everywhere: a user's settings (matplotlibrc) are for the user's figures.

    Args:
        more: settings of matplotlib in place of those of ``style.RC``.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**RC, **more})
        yield


FOOT_SIZE, FOOT_CHARACTERS = 4.2, 26.0
"""Points of the line at a figure's foot, and how many of its letters fit into an inch whatever they are."""


@dataclass(frozen=True)
class Sketch:
    """A drawn figure and where its numbers come from."""

    figure: Figure
    title: str
    cells: tuple[str, ...]
    """Keys of every cell that is in it."""

    def save(self, stem: Path, command: str) -> list[Path]:
        """Write ``stem.png`` and ``stem.pdf``; both carry the cell keys and the command as metadata."""
        made_of = f"   |   {len(self.cells)} cells, {identity(sorted(self.cells), length=10)}"
        room = int(self.figure.get_size_inches()[0] * FOOT_CHARACTERS) - len(made_of)
        asked = command if len(command) <= room else f"{command[: room - 2]} …"
        self.figure.text(0.995, 0.004, asked + made_of, ha="right", va="bottom", fontsize=FOOT_SIZE, color="#9a9a9a")
        keys = " ".join(sorted(self.cells))
        png = {"Title": self.title, "Description": keys, "Comment": command, "Software": "ttt_bench"}
        # No creation date: the same cells give the same file.
        pdf: dict[str, Any] = {
            "Title": self.title, "Keywords": keys, "Subject": command, "Creator": "ttt_bench", "CreationDate": None,
        }  # fmt: skip
        paths = []
        for suffix, metadata in (("png", png), ("pdf", pdf)):
            path = stem.with_name(f"{stem.name}.{suffix}")
            write_atomically(path, partial(self.figure.savefig, format=suffix, dpi=DPI, metadata=metadata))
            paths.append(path)
        return paths


def heading(figure: Figure, title: str, said: str) -> None:
    """Title, and below it in smaller letters what the reader has to know."""
    height = figure.get_size_inches()[1]
    figure.text(0.5, 1 - 0.05 / height, title, ha="center", va="top", fontsize=8.0, fontweight="bold")
    figure.text(0.5, 1 - 0.21 / height, said, ha="center", va="top", fontsize=6.3, color="#444444")


def cells_of(groups: Sequence[Group]) -> tuple[str, ...]:
    """Keys of every cell in some groups."""
    return tuple(dict.fromkeys(s.run.cell_id for g in groups for r in g.rows for s in r.runs))


def robust_limits(curves: Sequence[Array], reach: float = 3.0) -> tuple[float, float] | None:
    """A range that shows every curve, but not one that leaves the others by more than ``reach`` times their spread.

    Returns:
        (low, high) with a margin, or None if there is nothing finite.
    """
    finite = [curve[np.isfinite(curve)] for curve in curves]
    finite = [curve for curve in finite if curve.size]
    if not finite:
        return None
    lows, highs = (np.array([f(c) for c in finite]) for f in (np.min, np.max))
    inner_low, inner_high = float(np.quantile(lows, 0.2)), float(np.quantile(highs, 0.8))
    slack = reach * max(inner_high - inner_low, 1e-9)
    low = max(float(lows.min()), inner_low - slack)
    high = min(float(highs.max()), inner_high + slack)
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def label_points(axes: Axes, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Write a name beside each (x, y, name, colour), moved apart where names would overlap.

    Call it last: the limits of the axes must be final.
    """
    axes.get_xlim(), axes.get_ylim()  # settles pending automatic limits
    scale = axes.figure.dpi / 72.0
    pixels = np.array([axes.transData.transform((x, y)) for x, y, _, _ in points]).reshape(-1, 2)
    frame = axes.get_window_extent()
    taken = [(x - 3 * scale, y - 3 * scale, x + 3 * scale, y + 3 * scale) for x, y in pixels]
    for (x, y, name, colour), pixel in zip(points, pixels, strict=True):
        width, height = (0.62 * len(name) * 6.0 + 2) * scale, 7.0 * scale
        boxes = [
            (_box(pixel, offset, width, height, scale), offset)
            for radius in (4, 9, 15, 22, 30, 40)
            for offset in _around(radius)
        ]
        (box, offset) = min(boxes, key=lambda item: _cost(item[0], item[1], taken, frame))
        taken.append(box)
        far = max(abs(offset[0]), abs(offset[1])) > 12
        axes.annotate(
            name, (x, y), xytext=offset, textcoords="offset points", fontsize=6.0, color=colour,
            ha="left" if offset[0] > 0 else "right" if offset[0] < 0 else "center", va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": colour, "shrinkA": 0, "shrinkB": 2} if far else None,
        )  # fmt: skip


def _around(radius: float) -> list[tuple[float, float]]:
    near = 0.8 * radius
    return [
        (radius, 0), (-radius, 0), (near, near), (near, -near), (-near, near), (-near, -near), (0, radius + 2),
        (0, -radius - 2),
    ]  # fmt: skip


Box = tuple[float, float, float, float]


def _box(pixel: Array, offset: tuple[float, float], width: float, height: float, scale: float) -> Box:
    x, y = pixel[0] + offset[0] * scale, pixel[1] + offset[1] * scale
    left = x if offset[0] > 0 else x - width if offset[0] < 0 else x - width / 2
    return left, y - height / 2, left + width, y + height / 2


def _cost(box: Box, offset: tuple[float, float], taken: Sequence[Box], frame: Any) -> float:
    overlap: float = sum(
        max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        for other in taken
    )
    outside: float = (
        max(0.0, frame.x0 - box[0]) + max(0.0, box[2] - frame.x1)
        + max(0.0, frame.y0 - box[1]) + max(0.0, box[3] - frame.y1)
    )  # fmt: skip
    return overlap + 40.0 * outside + 0.5 * (abs(offset[0]) + abs(offset[1]))
