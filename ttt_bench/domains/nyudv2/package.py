"""NYU Depth V2 in the package of ATRC and InvPT: images, edge, segmentation, normals, depth and gt_sets.

Conventions: section B.2 of the S4T release as read by this project; the release's own arrays are ``released``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Sample, Split
from ttt_bench.domains.nyudv2.family import CLASSES
from ttt_bench.domains.nyudv2.frames import HOLD_OUT, NAMES
from ttt_bench.domains.pixels.axes import Signs, agreement, signs_of
from ttt_bench.domains.pixels.files import (
    IDS,
    RGB,
    Array,
    File,
    Framing,
    check_size,
    choose_files,
    digest,
    read_array,
    read_image,
    read_names,
    unit_normals,
)
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.errors import UserError

FOLDERS = {
    "images": (".png", ".jpg", ".jpeg"), "segmentation": (".png",), "depth": (".npy",), "normals": (".png",),
    "edge": (".png",),
}  # fmt: skip
NATIVE = (425, 560)
PADDED = (448, 576)
"""What the paper pads every test image to."""
VERSION = 1
EDGE_DEFINITION = "the package's own contours, thinned to one pixel"
PROBED = 3
"""Training frames on which the axes of the stored normals are found out."""


def camera(size: tuple[int, int]) -> Pinhole:
    """Intrinsics of the package's frames: the official ones, cropped at row 45 and column 41, at ``size``."""
    scale = size[1] / NATIVE[1]
    return Pinhole(518.86 * scale, 519.47 * scale, (325.58 - 41) * scale, (253.74 - 45) * scale)


class NYUDv2Package(Domain):
    """Real rooms with all four labels as files, named ``nyudv2`` like the plain frames.

    Frames are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel, contours by any pixel that falls into the output pixel. Which way the axes of the stored normals
    point is not written down anywhere, so it is measured: normals fitted to the depth of three training frames
    decide the sign of each axis.

    Args:
        root: the folder with images/, segmentation/, depth/, normals/, edge/ and gt_sets/.
        size: (H, W).

    Raises:
        UserError: a list of names or a file that it names is missing.
    """

    edge_definition = EDGE_DEFINITION

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        self.name = "nyudv2"
        self.tasks = ("semseg", "depth", "normal", "edge")
        self.classes = CLASSES
        self.size = size
        self._root = Path(root)
        train, test = (read_names(self._root / "gt_sets" / f"{split}.txt") for split in ("train", "val"))
        kept = [name for position, name in enumerate(train) if position % HOLD_OUT]
        self._frames: dict[Split, list[str]] = {"train": kept, "val": train[::HOLD_OUT], "test": test}
        names = list(dict.fromkeys([*train, *test]))
        self._files: dict[str, dict[str, File]] = {
            folder: choose_files(self._root, (folder,), names, suffixes) for folder, suffixes in FOLDERS.items()
        }

    def length(self, split: Split) -> int:
        """How many frames ``split`` has."""
        return len(self._frames[split])

    def content(self) -> Any:
        """The layout, the name and size of every file, the frames of each split, and the axes of the normals."""
        files = (f"{file.name} {file.bytes}" for files in self._files.values() for file in files.values())
        return {
            "nyudv2": VERSION, "layout": "package", "files": digest(sorted(files)), "edge": EDGE_DEFINITION,
            "frames": {split: digest(names) for split, names in self._frames.items()}, "normal_signs": self.signs,
        }  # fmt: skip

    @cached_property
    def signs(self) -> Signs:
        """Which way the axes of the stored normals point, measured against the depth."""
        first = (self._frames["val"] + self._frames["train"])[:PROBED]
        return signs_of(self.agreement(name) for name in first)

    def agreement(self, frame: str) -> npt.NDArray[np.float64]:
        """Evidence about the axes of one frame's normals, see ``axes.agreement``."""
        depth = self._depth(frame)
        stored = unit_normals(read_array(self._path("normals", frame), RGB), (1, 1, 1))
        return agreement(depth, stored, camera(depth.shape))

    def sample(self, split: Split, index: int) -> Sample:
        """Read frame ``index`` of ``split``."""
        self.check_index(split, index)
        frame = self._frames[split][index]
        image = read_image(self._path("images", frame), RGB)
        framing = Framing((image.height, image.width), self.size)
        depth, ids, normals, edge = self._labels(frame, framing.native)
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": framing.labels(np.where((ids == 0) | (ids == 40), 255, ids - 1).astype(np.uint8)),
            "depth": framing.labels(np.where(depth > 0, depth, np.float32(255)))[None],
            "normal": framing.labels(unit_normals(normals, self.signs)),
            "edge": framing.lines(edge > 127)[None].astype(np.float32),
        }
        return Sample(framing.image(image), labels)

    def released(
        self, split: Split, index: int, ids: Sequence[int], size: tuple[int, int] = PADDED
    ) -> dict[str, Array]:
        """The same frame as the S4T release would have it: padded, not resized; for parity only.

        Args:
            split: train, val or test.
            index: which frame.
            ids: 0-based class ids in the order of the pair's classes.
            size: (H, W) after padding.
        """
        from ttt_bench.domains import release as released

        frame = self._frames[split][index]
        image = read_array(self._path("images", frame), RGB)
        depth, segmentation, normals, edge = self._labels(frame, image.shape[:2])
        return {
            "image": released.imagenet_image(image, size),
            "semseg": released.nyud_semseg(segmentation, size, ids),
            "depth": released.nyud_depth(depth, size),
            "normals": released.normals(normals, size),
            "edge": released.edge(edge > 127, size),
        }

    def _labels(self, frame: str, size: tuple[int, int]) -> tuple[Array, Array, Array, Array]:
        path = self._path("segmentation", frame)
        ids = read_array(path, IDS, size)
        if ids.max() > len(NAMES):
            raise UserError(f"{path}: class id {ids.max()} is unknown.", "The ids go from 0 (void) to 40 (otherprop).")
        depth = self._depth(frame)
        check_size(self._path("depth", frame), depth.shape, size)
        normals = read_array(self._path("normals", frame), RGB, size)
        return depth, ids, normals, read_array(self._path("edge", frame), IDS, size)

    def _depth(self, frame: str) -> npt.NDArray[np.float32]:
        """(h, w) metres; 0 where nothing was measured."""
        return read_depth(self._path("depth", frame))

    def _path(self, folder: str, frame: str) -> Path:
        return self._root / self._files[folder][frame].name


def read_depth(path: Path) -> npt.NDArray[np.float32]:
    """(h, w) metres from a .npy file; 0 = missing.

    Raises:
        UserError: the file is unreadable or not a map of metres.
    """
    try:
        depth = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Copy the file again.") from error
    if depth.ndim != 2 or depth.dtype.kind != "f":
        raise UserError(f"{path} is {depth.dtype} of shape {depth.shape}, not a map of metres.", "Copy the file again.")
    metres: npt.NDArray[np.float32] = np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)
    if metres.max(initial=0) >= 255:
        raise UserError(f"{path} holds {metres.max():.0f}, which is no room in metres.", "Store metres.")
    return metres
