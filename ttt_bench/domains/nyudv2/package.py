"""NYU Depth V2 in the package of ATRC and InvPT: images, edge, segmentation, normals, depth and gt_sets.

Conventions: section B.2 of the S4T release as read by this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.listing import ListedDomain
from ttt_bench.domains.nyudv2.family import CLASSES
from ttt_bench.domains.nyudv2.limits import LIMITS
from ttt_bench.domains.pixels.arrays import read_npy
from ttt_bench.domains.pixels.axes import Evidence, agreement
from ttt_bench.domains.pixels.files import Framing, unit_normals
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.kinds import Kind, ids_up_to, pixels
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.planes import Pinhole

FOLDERS = {
    "images": (("images",), (".png", ".jpg", ".jpeg")), "segmentation": (("segmentation",), (".png",)),
    "depth": (("depth",), (".npy",)), "normals": (("normals",), (".png",)), "edge": (("edge",), (".png",)),
}  # fmt: skip
NATIVE = (425, 560)
VERSION = 2
EDGE_DEFINITION = "the package's own contours, thinned to one pixel"


def camera(size: tuple[int, int]) -> Pinhole:
    """Intrinsics of the package's frames: the official ones, cropped at row 45 and column 41, at ``size``."""
    scale = size[1] / NATIVE[1]
    return Pinhole(518.86 * scale, 519.47 * scale, (325.58 - 41) * scale, (253.74 - 45) * scale)


def framed(size: tuple[int, int]) -> Pinhole:
    """Intrinsics of frames that were cropped centrally to the shape of ``size`` and brought to it."""
    rows = min(NATIVE[0], NATIVE[1] * size[0] / size[1])
    whole, scale = camera(NATIVE), size[0] / rows
    x, y = whole.cx - (NATIVE[1] - 1) / 2, whole.cy - (NATIVE[0] - 1) / 2
    return Pinhole(whole.fx * scale, whole.fy * scale, (size[1] - 1) / 2 + x * scale, (size[0] - 1) / 2 + y * scale)


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """(h, w) metres from a .npy file; 0 = missing.

    Raises:
        FileError: the file is unreadable or not a map of metres.
    """
    depth = read_npy(path)
    if depth.ndim != 2 or depth.dtype.kind != "f":
        raise FileError(f"{path} is {depth.dtype} of shape {depth.shape}, not a map of metres.", "Copy the file again.")
    metres: npt.NDArray[np.float32] = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    if metres.max(initial=0) >= 255:
        text = f"{path} holds {metres.max():.0f}, which is no room in metres."
        raise FileError(text, "Store metres.", "out of range")
    return metres


def _black_or_white(values: Array) -> str:
    return "" if set(np.unique(values)) <= {0, 255} else "an edge map has values other than 0 and 255"


class NYUDv2Package(ListedDomain):
    """Real rooms with all four labels as files, named ``nyudv2`` like the plain frames.

    Frames are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel, contours by any pixel that falls into the output pixel. Which way the axes of the stored normals
    point is not written down anywhere, so it is measured against normals fitted to the depth.

    Args:
        root: the folder with images/, segmentation/, depth/, normals/, edge/ and gt_sets/.
        size: (H, W).

    Raises:
        UserError: a list of names or a file that it names is missing.
    """

    name = "nyudv2"
    tasks = ("semseg", "depth", "normal", "edge")
    classes = CLASSES
    edge_definition = EDGE_DEFINITION
    lists, folders = "gt_sets", FOLDERS
    kinds = (
        Kind("images", pixels("photo")), Kind("segmentation", pixels("ids"), ids_up_to(40)), Kind("depth", read_depth),
        Kind("normals", pixels("vectors")), Kind("edge", pixels("grey"), _black_or_white),
    )  # fmt: skip
    depth_kind, ids_kind, normals_kind = "depth", "segmentation", "normals"
    limits = LIMITS

    def camera(self) -> Pinhole:
        """Those of the frames."""
        return framed(self.size)

    def described(self) -> dict[str, Any]:
        """The layout, and what an edge is."""
        return {"nyudv2": VERSION, "layout": "package", "edge": EDGE_DEFINITION}

    def evidence(self, content: Mapping[str, Array]) -> Evidence:
        """What one frame says about the axes of its normals."""
        depth = content["depth"]
        return agreement(depth, unit_normals(content["normals"], (1, 1, 1)), camera(depth.shape))

    def sample(self, split: Split, index: int) -> Sample:
        """Read frame ``index`` of ``split``."""
        frame = self.load(split, index)
        framing = Framing(frame["images"].shape[:2], self.size)
        ids, depth = frame["segmentation"], frame["depth"]
        assert self.axes is not None
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": framing.labels(np.where((ids == 0) | (ids == 40), 255, ids - 1).astype(np.uint8)),
            "depth": framing.labels(np.where(depth > 0, depth, np.float32(255)))[None],
            "normal": framing.labels(unit_normals(frame["normals"], self.axes.signs)),
            "edge": framing.lines(frame["edge"] > 127)[None].astype(np.float32),
        }
        return Sample(framing.image(frame["images"]), labels)
