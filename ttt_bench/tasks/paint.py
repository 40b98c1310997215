"""Labels and raw network outputs as RGB pictures. Numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.tasks.contract import IGNORE, Picture, Task

_OKABE_ITO = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66),
    (0, 114, 178), (213, 94, 0), (204, 121, 167), (150, 150, 150),
)  # fmt: skip
# Ten points of matplotlib's viridis (CC0), dark to bright, so that painting needs no plotting library.
_VIRIDIS = (
    (68, 1, 84), (72, 40, 120), (62, 74, 137), (49, 104, 142), (38, 130, 142), (31, 158, 137), (53, 183, 121),
    (109, 205, 89), (180, 222, 44), (253, 231, 37),
)  # fmt: skip
_HATCH = ((52, 52, 52), (84, 84, 84))
_FADED = 0.72
"""Share of white where there is no truth to compare with."""


def palette(classes: int) -> Picture:
    """(classes, 3) colours, safe for the colour-blind for eight classes; later ones vary in lightness."""
    first = np.array(_OKABE_ITO, dtype=np.float64)
    rounds = [first, first * 0.55, first * 0.5 + 127.5, first * 0.3, first * 0.22 + 198.9]
    table = np.concatenate(rounds)
    return table[np.arange(classes) % len(table)].astype(np.uint8)


def limits(truth: npt.ArrayLike) -> tuple[float, float]:
    """The range of a map's valid pixels, for pictures that share one colour scale.

    Returns:
        (low, high); (0, 1) if no pixel is valid, and a range of 1 if all are equal.
    """
    values = np.asarray(truth, dtype=np.float64)
    values = values[(values != IGNORE) & np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1.0


def paint_truth(task: Task, label: npt.ArrayLike, scale: tuple[float, float] | None = None) -> Picture | None:
    """A label map as a picture; invalid pixels are hatched dark grey. None where the task paints nothing.

    Args:
        task: whose label it is.
        label: (H, W) or (channels, H, W); 255 is invalid.
        scale: (low, high) of numbers; the map's own range when not given.

    Raises:
        UserError: the label has the wrong shape.
    """
    if task.extent == "image":
        return None
    values = _channels(task, label, task.label.channels or 1)
    valid = ((values != task.ignore) & np.isfinite(values)).all(axis=0)
    picture = task.picture(np.where(valid, values, 0.0), scale or limits(values))
    return None if picture is None else _hatched(picture, valid)


def paint_prediction(
    task: Task,
    output: npt.ArrayLike,
    truth: npt.ArrayLike | None = None,
    scale: tuple[float, float] | None = None,
) -> Picture | None:
    """A raw network output as a picture; None where the task paints nothing.

    Args:
        task: whose output it is.
        output: (channels, H, W).
        truth: its label; where a map of classes has none, the prediction is faded.
        scale: (low, high) of numbers, usually the truth's.

    Raises:
        UserError: the output has the wrong shape.
    """
    if task.extent == "image":
        return None
    values = _channels(task, output, task.channels)
    finite: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(values), axis=0)
    values = np.where(finite, values, 0.0)
    picture = task.picture(task.shown(values), scale or limits(values))
    if picture is None:
        return None
    if truth is not None and task.output == "classes":
        unknown = (_channels(task, truth, task.label.channels or 1) == task.ignore)[0]
        faded = picture * (1 - _FADED) + 255.0 * _FADED
        picture = np.where(unknown[..., None], faded, picture.astype(np.float64)).astype(np.uint8)
    return _hatched(picture, finite)


def _channels(task: Task, array: npt.ArrayLike, expected: int) -> npt.NDArray[np.float64]:
    values = np.asarray(array, dtype=np.float64)
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or (expected and values.shape[0] != expected):
        raise UserError(
            f"A {task.name} map of shape {np.shape(array)} cannot be painted.",
            f"It should be ({expected or 'classes'}, H, W).",
        )
    return values


def colour_scale(levels: int) -> Picture:
    """(levels, 3) colours of the scale of numbers, low to high, for a key beside the pictures."""
    return viridis(np.linspace(0.0, 1.0, levels))


def viridis(share: npt.NDArray[np.float64]) -> Picture:
    """Colours (..., 3) of shares, 0 dark to 1 bright; what lies beyond has the colour of the end."""
    anchors = np.array(_VIRIDIS, dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(anchors))
    channels = [np.interp(np.clip(share, 0.0, 1.0), places, anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _hatched(picture: Picture, kept: npt.NDArray[np.bool_]) -> Picture:
    height, width = kept.shape
    diagonal = (np.arange(height)[:, None] + np.arange(width)) % 6 < 2
    hatch = np.where(diagonal[..., None], _HATCH[1], _HATCH[0])
    return np.where(kept[..., None], picture, hatch).astype(np.uint8)
