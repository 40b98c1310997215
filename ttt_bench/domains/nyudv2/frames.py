"""NYU Depth V2 from plain labelled frames at half size: image/, depth/, label40/, splits/.

Silberman, Hoiem, Kohli, Fergus: "Indoor Segmentation and Support Inference from RGBD Images", ECCV 2012.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Sample, Split
from ttt_bench.domains.nyudv2.family import CLASSES
from ttt_bench.domains.pixels.edges import Window, edge_map
from ttt_bench.domains.pixels.planes import Pinhole, fit_normals
from ttt_bench.errors import UserError

NAMES = (*CLASSES, "otherprop")
"""The 40-class set by file id 1..40."""

NATIVE = (240, 320)
CROP = (slice(23, 235), slice(21, 300))
"""The usual evaluation crop, rows 45:471 and columns 41:601 of 480x640, halved inwards: no white border."""
CAMERA = Pinhole(518.86 / 2, 519.47 / 2, 325.58 / 2, 253.74 / 2)
VERSION = 1
HOLD_OUT = 10
"""Every tenth frame of splits/train.txt is the validation split."""
GAP_PIXELS = 5
JUMP = 0.12
EDGE_DEFINITION = (
    "boundaries between classes, across void gaps of up to 5 pixels of the 240x320 frame, and relative depth jumps "
    "of more than 12 %; on the nearer side, thinned to one pixel"
)


class NYUDv2(Domain):
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

    edge_definition = EDGE_DEFINITION

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        self.name = "nyudv2"
        self.tasks = ("semseg", "depth", "normal", "edge")
        self.classes = CLASSES
        self.size = size
        self._root = Path(root)
        train, test = self._read_split("train"), self._read_split("val")
        held_out = train[::HOLD_OUT]
        kept = [name for position, name in enumerate(train) if position % HOLD_OUT]
        self._frames: dict[Split, list[str]] = {"train": kept, "val": held_out, "test": test}
        self._files = self._list_files([*train, *test])

    def length(self, split: Split) -> int:
        """How many frames ``split`` has."""
        return len(self._frames[split])

    def content(self) -> Any:
        """The reader's version and the name and size of every file (reading all of them would take too long)."""
        digest = hashlib.sha256("\n".join(self._files).encode()).hexdigest()
        frames = {split: hashlib.sha256("\n".join(ids).encode()).hexdigest() for split, ids in self._frames.items()}
        return {"nyudv2": VERSION, "files": digest, "frames": frames, "edge": EDGE_DEFINITION}

    def sample(self, split: Split, index: int) -> Sample:
        """Read and derive frame ``index`` of ``split``."""
        self.check_index(split, index)
        frame = self._frames[split][index]
        depth = self._read_depth(frame)
        ids = self._read_ids(frame)
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
        return Sample(self._read_image(frame), labels)

    def _read_split(self, name: str) -> list[str]:
        path = self._root / "splits" / f"{name}.txt"
        try:
            names = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} cannot be read: {error}.",
                "Give the folder that holds image/, depth/, label40/ and splits/ with --data nyudv2=FOLDER.",
            ) from error
        if not names:
            raise UserError(f"{path} is empty.", "It should list one frame number per line.")
        return names

    def _list_files(self, frames: list[str]) -> list[str]:
        """``path size`` of every file that is used, sorted."""
        sizes: dict[str, int] = {}
        for folder in ("image", "depth", "label40"):
            if not (self._root / folder).is_dir():
                raise UserError(
                    f"{self._root} has no folder {folder}/.", "Give the right folder with --data nyudv2=FOLDER."
                )
            with os.scandir(self._root / folder) as entries:
                sizes.update({f"{folder}/{entry.name}": entry.stat().st_size for entry in entries})
        wanted = sorted(name for frame in frames for name in _paths(frame))
        missing = [name for name in wanted if name not in sizes]
        if missing:
            more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
            raise UserError(
                f"{self._root / missing[0]}{more} named by splits/ do not exist.", "Complete the copy of the data."
            )
        return [f"{name} {sizes[name]}" for name in wanted]

    def _read_image(self, frame: str) -> npt.NDArray[np.uint8]:
        from PIL import Image

        with self._open(f"image/{frame}.jpg", ("RGB",)) as image:
            top, left, bottom, right = _window(self.size)
            box = (float(left), float(top), float(right), float(bottom))
            small = image.resize(self.size[::-1], Image.Resampling.BICUBIC, box=box)
        return np.asarray(small, np.uint8)

    def _read_depth(self, frame: str) -> npt.NDArray[np.float32]:
        """(240, 320) metres; 0 where nothing was measured."""
        with self._open(f"depth/{frame}.png", ("I;16", "I", "I;16B")) as image:
            return np.asarray(np.asarray(image) / 1000, np.float32)

    def _read_ids(self, frame: str) -> npt.NDArray[np.uint8]:
        name = f"label40/{frame}.png"
        with self._open(name, ("L", "P")) as image:
            ids = np.asarray(image, np.uint8)
        if ids.max() > len(NAMES):
            raise UserError(
                f"{self._root / name}: class id {ids.max()} is unknown.", "The ids go from 0 (void) to 40 (otherprop)."
            )
        return ids

    def _open(self, name: str, modes: tuple[str, ...]) -> Any:
        from PIL import Image

        path = self._root / name
        try:
            with Image.open(path) as file:
                image = file.copy()  # decodes and lets go of the file
        except (OSError, SyntaxError) as error:  # Pillow calls a broken PNG a SyntaxError
            raise UserError(f"{path} cannot be read: {error}.", "Copy the file again.") from error
        if image.size != NATIVE[::-1] or image.mode not in modes:
            raise UserError(
                f"{path} is {image.mode} {image.size[1]}x{image.size[0]}, not {modes[0]} {NATIVE[0]}x{NATIVE[1]}.",
                "Only the half-size layout described in the README is read.",
            )
        return image


def _paths(frame: str) -> tuple[str, str, str]:
    return f"image/{frame}.jpg", f"depth/{frame}.png", f"label40/{frame}.png"


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
