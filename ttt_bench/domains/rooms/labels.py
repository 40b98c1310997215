"""From exact geometry to the labels of the four tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.rooms.cast import Floats, Frame
from ttt_bench.domains.rooms.parts import UNLABELLED
from ttt_bench.domains.rooms.scene import Camera

EDGE_DEFINITION = (
    "outlines of labelled objects and occlusions of more than 40 cm (both on the nearer side), and the "
    "creases between the planes of the room; thinned to one pixel"
)
JUMP_METRES = np.float32(0.40)


def make_labels(frame: Frame, camera: Camera) -> dict[str, npt.NDArray[Any]]:
    """Labels as ``Sample.labels`` describes them."""
    return {
        "semseg": frame.label,
        "depth": frame.depth[None],
        "normal": camera_normals(frame.normal, camera),
        "edge": edges(frame)[None].astype(np.float32),
    }


def camera_normals(normal: Floats, camera: Camera) -> Floats:
    """World normals (3, H, W) in the camera frame x right, y up, z towards the viewer."""
    axes = (camera.right, camera.up, tuple(-v for v in camera.forward))
    return np.stack(
        [sum(np.float32(axis[k]) * normal[k] for k in range(3)) for axis in axes]
    ).astype(np.float32)  # fmt: skip


def edges(frame: Frame) -> npt.NDArray[np.bool_]:
    """(H, W) edge pixels: of two neighbours with an edge between them only one is marked, then thinned."""
    marked = np.zeros(frame.depth.shape, bool)
    _mark_pairs(frame, marked, (slice(None, -1), slice(None)), (slice(1, None), slice(None)))
    _mark_pairs(frame, marked, (slice(None), slice(None, -1)), (slice(None), slice(1, None)))
    return _without_corners(marked)


def _mark_pairs(
    frame: Frame, marked: npt.NDArray[np.bool_], a: tuple[slice, slice], b: tuple[slice, slice]
) -> None:
    """Compare each pixel of window ``a`` with its neighbour in window ``b``."""
    za, zb = frame.depth[a], frame.depth[b]
    # A plane seen at a slant also changes depth between neighbours; only a change of part can be a jump.
    other_part = frame.part[a] != frame.part[b]
    labelled = np.minimum(frame.label[a], frame.label[b]) != UNLABELLED
    outline = (frame.instance[a] != frame.instance[b]) & labelled
    crease = other_part & (frame.instance[a] == 0) & (frame.instance[b] == 0)
    jump = other_part & ~crease & (np.abs(za - zb) > JUMP_METRES)
    edge = outline | jump | crease
    a_nearer = za <= zb
    marked[a] |= edge & a_nearer
    marked[b] |= edge & ~a_nearer


def _without_corners(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Staircases lose the pixel at each inner corner; lines stay connected over the diagonal."""
    thin = np.pad(marked, 1)
    up, down, left, right = (
        (slice(0, -2), slice(1, -1)), (slice(2, None), slice(1, -1)),
        (slice(1, -1), slice(0, -2)), (slice(1, -1), slice(2, None)),
    )  # fmt: skip
    middle = thin[1:-1, 1:-1]
    for one, two, not_one, not_two in (
        (up, right, down, left), (down, left, up, right), (up, left, down, right), (down, right, up, left),
    ):  # fmt: skip
        middle &= ~(thin[one] & thin[two] & ~thin[not_one] & ~thin[not_two])
    return middle
