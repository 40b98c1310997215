"""NYU Depth V2 from plain labelled frames at half or full size: image/, depth/, label40/, splits/.

Silberman, Hoiem, Kohli, Fergus: "Indoor Segmentation and Support Inference from RGBD Images", ECCV 2012.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.listing import ListedDomain
from ttt_bench.domains.nyudv2.family import CLASSES
from ttt_bench.domains.nyudv2.limits import LIMITS
from ttt_bench.domains.nyudv2.package import framed
from ttt_bench.domains.pixels.edges import Window, edge_map
from ttt_bench.domains.pixels.images import Array, Content, read_pixels
from ttt_bench.domains.pixels.kinds import Kind, ids_up_to
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.planes import Pinhole, fit_normals

NAMES = (*CLASSES, "otherprop")
"""The 40-class set by file id 1..40."""

NATIVE = (240, 320)
CROP = (slice(23, 235), slice(21, 300))
"""The usual evaluation crop, rows 45:471 and columns 41:601 of 480x640, halved inwards: no white border."""
CAMERA = Pinhole(518.86 / 2, 519.47 / 2, 325.58 / 2, 253.74 / 2)
FULL = (480, 640)
"""The size of the frames as they were taken; those of half size are made from them (``half``)."""
VERSION = 2
FOLDERS = {
    "image": (("image",), (".jpg", ".jpeg", ".png")), "depth": (("depth",), (".png",)),
    "label40": (("label40",), (".png",)),
}  # fmt: skip
GAP_PIXELS = 5
JUMP = 0.12
EDGE_DEFINITION = (
    "boundaries between classes, across void gaps of up to 5 pixels of the 240x320 frame, and relative depth jumps "
    "of more than 12 %; on the nearer side, thinned to one pixel"
)


def half(path: Path, values: Array, averaged: bool) -> Array:
    """Frames of 480x640 as those of half size were made: pictures averaged over 2x2, labels every second pixel.

    Raises:
        FileError: they are of neither size.
    """
    if values.shape[:2] == FULL:
        if not averaged:
            return values[::2, ::2]
        from PIL import Image

        return np.asarray(Image.fromarray(values).reduce(2))
    if values.shape[:2] != NATIVE:
        raise FileError(
            f"{path} is {values.shape[0]}x{values.shape[1]}, not {NATIVE[0]}x{NATIVE[1]} or {FULL[0]}x{FULL[1]}.",
            "Copy the original frames again.", "wrong size",
        )  # fmt: skip
    return values


def _read(content: Content) -> Callable[[Path], Array]:
    return lambda path: half(path, read_pixels(path, content), content == "photo")


def read_millimetres(path: Path) -> npt.NDArray[np.float32]:
    """(240, 320) metres; 0 where nothing was measured.

    Raises:
        FileError: the file is unreadable or of another size.
    """
    return np.asarray(half(path, read_pixels(path, "deep"), False) / 1000, np.float32)


class NYUDv2(ListedDomain):
    """Real rooms with semantic labels and depth; normals and edges are derived.

    Frames are cropped to the evaluation crop, then centrally to the asked aspect ratio, then resized: the image
    with antialiasing, labels by their nearest pixel. Normals are fitted before resizing, where the intrinsics of
    the frames hold; edges are found after it, so that they are one pixel thin at any size.

    Args:
        root: the folder with image/, depth/, label40/ and splits/.
        size: (H, W).

    Raises:
        UserError: a split file is missing or names a frame that is not there.
    """

    name = "nyudv2"
    tasks = ("semseg", "depth", "normal", "edge")
    classes = CLASSES
    edge_definition = EDGE_DEFINITION
    lists, folders = "splits", FOLDERS
    kinds = (
        Kind("image", _read("photo")), Kind("depth", read_millimetres), Kind("label40", _read("ids"), ids_up_to(40)),
    )  # fmt: skip
    depth_kind, ids_kind = "depth", "label40"
    limits = LIMITS

    def camera(self) -> Pinhole:
        """Those of the frames."""
        return framed(self.size)

    def described(self) -> dict[str, Any]:
        """The reader's version, and what an edge is."""
        return {"nyudv2": VERSION, "edge": EDGE_DEFINITION}

    def sample(self, split: Split, index: int) -> Sample:
        """Read and derive frame ``index`` of ``split``."""
        frame = self.load(split, index)
        depth, ids = frame["depth"], frame["label40"]
        rows, columns = _nearest(self.size)
        normal = fit_normals(depth, CAMERA)[:, rows, columns]
        filled = fill_gaps(ids)[rows, columns]
        depth, ids = depth[rows, columns], ids[rows, columns]
        semseg = np.where((ids == 0) | (ids == 40), 255, ids - 1).astype(np.uint8)
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": semseg,
            "depth": np.where(depth > 0, depth, 255.0).astype(np.float32)[None],
            "normal": normal,
            "edge": find_edges(depth, filled).astype(np.float32)[None],
        }
        return Sample(self._image(frame["image"]), labels)

    def _image(self, pixels: Array) -> npt.NDArray[np.uint8]:
        from PIL import Image

        top, left, bottom, right = _window(self.size)
        box = (float(left), float(top), float(right), float(bottom))
        small = Image.fromarray(pixels).resize(self.size[::-1], Image.Resampling.BICUBIC, box=box)
        return np.asarray(small, np.uint8)


def _window(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(top, left, bottom, right) in the native frame: the largest central part of the crop with size's shape."""
    top, bottom, left, right = CROP[0].start, CROP[0].stop, CROP[1].start, CROP[1].stop
    scale = min((bottom - top) / size[0], (right - left) / size[1])
    height, width = scale * size[0], scale * size[1]
    y, x = (top + bottom - height) / 2, (left + right - width) / 2
    return y, x, y + height, x + width


def _nearest(size: tuple[int, int]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Open grids of the native row and column nearest to each output pixel's centre."""
    top, left, bottom, right = _window(size)
    rows = top + (np.arange(size[0]) + 0.5) * (bottom - top) / size[0]
    columns = left + (np.arange(size[1]) + 0.5) * (right - left) / size[1]
    return rows.astype(np.intp)[:, None], columns.astype(np.intp)[None, :]


def fill_gaps(ids: npt.NDArray[np.uint8], gap: float = GAP_PIXELS) -> npt.NDArray[np.uint8]:
    """Void within a few pixels of a label takes that label: annotators left gaps between touching objects.

    Args:
        ids: (H, W) file ids, 0 and 40 = void.
        gap: width in pixels of the widest gap to close.
    """
    from scipy import ndimage

    void = (ids == 0) | (ids == 40)
    if void.all():
        return np.zeros_like(ids)
    distance, nearest = ndimage.distance_transform_edt(void, return_indices=True)
    filled: npt.NDArray[np.uint8] = np.where(distance <= gap / 2 + 0.5, ids[tuple(nearest)], 0)
    return filled.astype(np.uint8)


def find_edges(depth: npt.NDArray[np.float32], ids: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(H, W) edge pixels by ``EDGE_DEFINITION``, from metres (0 = missing) and ids without gaps."""

    def differ(a: Window, b: Window) -> npt.NDArray[np.bool_]:
        boundary = (ids[a] != ids[b]) & (ids[a] > 0) & (ids[b] > 0)
        near, far = np.minimum(depth[a], depth[b]), np.maximum(depth[a], depth[b])
        found: npt.NDArray[np.bool_] = boundary | ((near > 0) & (far - near > JUMP * near))
        return found

    return edge_map(depth, differ)
