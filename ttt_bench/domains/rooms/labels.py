"""From exact geometry to the labels of the four tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.edges import Window, edge_map
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
    """(H, W) edge pixels by ``EDGE_DEFINITION``."""

    def differ(a: Window, b: Window) -> npt.NDArray[np.bool_]:
        # A plane seen at a slant also changes depth between neighbours; only a change of part can be a jump.
        other_part = frame.part[a] != frame.part[b]
        labelled = np.minimum(frame.label[a], frame.label[b]) != UNLABELLED
        outline = (frame.instance[a] != frame.instance[b]) & labelled
        crease = other_part & (frame.instance[a] == 0) & (frame.instance[b] == 0)
        jump = other_part & ~crease & (np.abs(frame.depth[a] - frame.depth[b]) > JUMP_METRES)
        found: npt.NDArray[np.bool_] = outline | jump | crease
        return found

    return edge_map(frame.depth, differ)
