"""Labels and raw network outputs as RGB pictures. Numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.tasks.contract import IGNORE, TASKS, get_task

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) RGB."""

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


def paint_truth(task: str, label: npt.ArrayLike, scale: tuple[float, float] | None = None) -> Picture:
    """A label map as a picture; invalid pixels are hatched dark grey.

    Args:
        task: name of the task.
        label: (H, W) or (channels, H, W); 255 is invalid. semseg: class ids; depth: metres; normal: unit
            vectors; edge: 0 to 1.
        scale: (low, high) of depth; its own range when not given.

    Raises:
        UserError: there is no such task, or the label has the wrong shape.
    """
    values = _channels(task, label, truth=True)
    valid = ((values != IGNORE) & np.isfinite(values)).all(axis=0)
    picture = _colours(task, np.where(valid, values, 0.0), scale or limits(values))
    return np.where(valid[..., None], picture, _hatch(valid.shape)).astype(np.uint8)


def paint_prediction(
    task: str,
    output: npt.ArrayLike,
    truth: npt.ArrayLike | None = None,
    scale: tuple[float, float] | None = None,
) -> Picture:
    """A raw network output as a picture.

    Args:
        task: name of the task.
        output: (channels, H, W). semseg and edge: logits; depth: metres; normal: vectors of any length.
        truth: semseg label map; where it is 255 the prediction is faded.
        scale: (low, high) of depth, usually the truth's.

    Raises:
        UserError: there is no such task, or the output has the wrong shape.
    """
    values = _channels(task, output, truth=False)
    finite: npt.NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(values), axis=0)
    values = np.where(finite, values, 0.0)
    if task == "semseg":
        shown = values.argmax(axis=0)[None].astype(np.float64)
    elif task == "normal":
        shown = values / np.maximum(np.linalg.norm(values, axis=0), 1e-12)
    elif task == "edge":
        shown = 1.0 / (1.0 + np.exp(-np.clip(values, -50.0, 50.0)))
    else:
        shown = values
    picture = _colours(task, shown, scale or limits(values)).astype(np.float64)
    if truth is not None and task == "semseg":
        unknown = _channels(task, truth, truth=True) == IGNORE
        picture = np.where(np.moveaxis(unknown, 0, -1), picture * (1 - _FADED) + 255.0 * _FADED, picture)
    return np.where(finite[..., None], picture, _hatch(finite.shape)).astype(np.uint8)


def _channels(task: str, array: npt.ArrayLike, truth: bool) -> npt.NDArray[np.float64]:
    values = np.asarray(array, dtype=np.float64)
    values = values[None] if values.ndim == 2 else values
    expected = 1 if truth and task == "semseg" else get_task(task).channels
    if values.ndim != 3 or (expected and values.shape[0] != expected):
        raise UserError(
            f"A {task} map of shape {np.shape(array)} cannot be painted.",
            f"It should be ({expected or 'classes'}, H, W).",
        )
    return values


def _colours(task: str, values: npt.NDArray[np.float64], scale: tuple[float, float]) -> Picture:
    if task == "semseg":
        ids = values[0].astype(np.int64)
        colours: Picture = palette(max(int(ids.max(initial=0)) + 1, 1))[ids]
        return colours
    if task == "depth":
        return _viridis((values[0] - scale[0]) / (scale[1] - scale[0]))
    if task == "normal":
        return np.moveaxis(np.rint(np.clip((values + 1.0) / 2.0, 0.0, 1.0) * 255.0), 0, -1).astype(np.uint8)
    if task == "edge":
        # Dark edges on white: they survive printing.
        return np.repeat((255.0 * (1.0 - np.clip(values[0], 0.0, 1.0)))[..., None], 3, axis=-1).astype(np.uint8)
    raise UserError(f"There is no way to paint {task!r}.", "Known: " + ", ".join(TASKS) + ".")


def colour_scale(levels: int) -> Picture:
    """(levels, 3) colours of the depth scale, low to high, for a key beside the pictures."""
    return _viridis(np.linspace(0.0, 1.0, levels))


def _viridis(share: npt.NDArray[np.float64]) -> Picture:
    anchors = np.array(_VIRIDIS, dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(anchors))
    channels = [np.interp(np.clip(share, 0.0, 1.0), places, anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _hatch(shape: tuple[int, ...]) -> Picture:
    height, width = shape
    diagonal = (np.arange(height)[:, None] + np.arange(width)) % 6 < 2
    return np.where(diagonal[..., None], _HATCH[1], _HATCH[0]).astype(np.uint8)
