"""PASCAL-Context with segmentation, normals and edges, in the package of ATRC and InvPT. There is no depth.

Conventions: section B.3 of the S4T release as read by this project; the release's own arrays are ``released``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Sample, Split
from ttt_bench.domains.pascal.family import CLASSES
from ttt_bench.domains.pixels.axes import Signs
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
from ttt_bench.errors import UserError

FOLDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "images": (("JPEGImages",), (".jpg", ".jpeg")),
    "parts": (("pascal-context/trainval",), (".mat",)),
    "semseg": (("semseg/VOC12", "semseg/pascal-context"), (".png",)),
    "normals": (("normals_distill",), (".png",)),
}
"""Kind of file -> folders, the first that has it counts, and how its name may end."""
LISTS = "ImageSets/Context"
PADDED = (512, 512)
"""What the paper pads every test image to."""
HOLD_OUT = 10
"""Every tenth image of train.txt is the validation split."""
VERSION = 1
NORMAL_SIGNS: Signs = (1, 1, 1)
"""The normals are a network's, taught on NYUD-v2's; nothing in this set tells which way their axes point, so the
frame x right, y up, z towards the viewer is assumed. ``data check`` compares it with floors and walls."""
EDGE_DEFINITION = "boundaries between regions of the LabelMap (459 classes) at the asked size, thinned to one pixel"
NORMAL_CLASSES = (
    3, 4, 6, 9, 10, 11, 13, 15, 17, 18, 22, 23, 29, 30, 33, 34, 36, 37, 38, 39, 41, 43, 46, 49, 50, 51, 53, 55,
    56, 59, 61, 62, 65, 66, 68, 69, 72, 73, 78, 83, 84, 85, 87, 88, 95, 96, 101, 104, 105, 107, 111, 113, 115,
    122, 124, 135, 141, 142, 143, 146, 150, 154, 157, 158, 159, 165, 172, 174, 181, 183, 184, 191, 193, 195,
    197, 199, 202, 213, 215, 216, 219, 220, 223, 225, 228, 230, 232, 233, 238, 239, 242, 243, 246, 250, 251,
    252, 255, 260, 261, 263, 269, 272, 273, 275, 281, 283, 284, 285, 286, 287, 288, 290, 291, 292, 293, 295,
    304, 307, 309, 310, 314, 315, 319, 323, 329, 330, 331, 336, 342, 345, 349, 350, 351, 352, 355, 357, 368,
    370, 371, 374, 379, 380, 383, 384, 397, 401, 403, 405, 407, 408, 411, 412, 413, 414, 417, 419, 421, 423,
    427, 429, 430, 432, 440, 441, 442, 443, 444, 446, 454, 457,
)  # fmt: skip
"""LabelMap ids with valid normals: the classes whose names NYUD-v2 also has, plus tvmonitor."""


class Pascal(Domain):
    """Photographs of all kinds with segmentation of VOC's classes, normals and contours.

    Images are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel; contours are found after resizing. Saliency and human parts are not needed.

    Args:
        root: the folder with JPEGImages/, pascal-context/, semseg/, normals_distill/ and ImageSets/.
        size: (H, W).

    Raises:
        UserError: a list of names or a file that it names is missing.
    """

    edge_definition = EDGE_DEFINITION

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        self.name = "pascal"
        self.tasks = ("semseg", "normal", "edge")
        self.classes = CLASSES
        self.size = size
        self._root = Path(root)
        train, test = (read_names(self._root / LISTS / f"{split}.txt") for split in ("train", "val"))
        kept = [name for position, name in enumerate(train) if position % HOLD_OUT]
        self._names: dict[Split, list[str]] = {"train": kept, "val": train[::HOLD_OUT], "test": test}
        names = list(dict.fromkeys([*train, *test]))
        self._files: dict[str, dict[str, File]] = {
            kind: choose_files(self._root, folders, names, suffixes) for kind, (folders, suffixes) in FOLDERS.items()
        }

    def length(self, split: Split) -> int:
        """How many images ``split`` has."""
        return len(self._names[split])

    def content(self) -> Any:
        """The name and size of every file, and the images of each split."""
        files = (f"{file.name} {file.bytes}" for files in self._files.values() for file in files.values())
        return {
            "pascal": VERSION, "files": digest(sorted(files)), "edge": EDGE_DEFINITION, "normal_signs": NORMAL_SIGNS,
            "names": {split: digest(names) for split, names in self._names.items()},
        }  # fmt: skip

    def sample(self, split: Split, index: int) -> Sample:
        """Read image ``index`` of ``split``."""
        from ttt_bench.domains.release import pascal_edge

        self.check_index(split, index)
        name = self._names[split][index]
        image = read_image(self._path("images", name), RGB)
        framing = Framing((image.height, image.width), self.size)
        ids, regions, normals = self._labels(name, framing.native)
        regions = framing.labels(regions)
        seen = Framing(normals.shape[:2], self.size).labels(unit_normals(normals, NORMAL_SIGNS))
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": framing.labels(np.where((ids == 0) | (ids == 255), 255, ids - 1).astype(np.uint8)),
            "normal": np.where(np.isin(regions, NORMAL_CLASSES), seen, np.float32(255)),
            "edge": pascal_edge(regions)[None].astype(np.float32),
        }
        return Sample(framing.image(image), labels)

    def released(
        self, split: Split, index: int, ids: Sequence[int], size: tuple[int, int] = PADDED
    ) -> dict[str, Array]:
        """The same image as the S4T release would have it: padded, not resized; for parity only.

        Args:
            split: train, val or test.
            index: which image.
            ids: VOC ids in the order of the pair's classes.
            size: (H, W) after padding.
        """
        from ttt_bench.domains import release as released

        name = self._names[split][index]
        image = read_array(self._path("images", name), RGB)
        semseg, regions, normals = self._labels(name, image.shape[:2])
        check_size(self._path("normals", name), normals.shape, image.shape[:2])
        return {
            "image": released.imagenet_image(image, size),
            "semseg": released.pad(released.shared_classes(semseg, ids), size, 255)[None],
            "normals": released.normals(normals, size, np.isin(regions, NORMAL_CLASSES)),
            "edge": released.edge(released.pascal_edge(regions), size),
        }

    def _labels(self, name: str, size: tuple[int, int]) -> tuple[Array, Array, Array]:
        path = self._path("semseg", name)
        ids = read_array(path, IDS, size)
        unknown = ids[(ids > len(CLASSES)) & (ids != 255)]
        if unknown.size:
            raise UserError(
                f"{path}: class id {unknown[0]} is unknown.", "The ids are 0 (background), 1 to 20, and 255 (void)."
            )
        path = self._path("parts", name)
        regions = read_label_map(path)
        check_size(path, regions.shape, size)
        path = self._path("normals", name)
        normals = read_array(path, RGB)
        # A network made them: they may be smaller than the image, but not of another shape.
        if abs(normals.shape[0] * size[1] / (normals.shape[1] * size[0]) - 1) > 0.02:
            check_size(path, normals.shape, size)
        return ids, regions, normals

    def _path(self, kind: str, name: str) -> Path:
        return self._root / self._files[kind][name].name


def read_label_map(path: Path) -> npt.NDArray[np.uint16]:
    """(h, w) ids 0..459 of a PASCAL-Context annotation.

    Raises:
        UserError: the file is unreadable or holds no LabelMap.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["LabelMap"])
    except Exception as error:  # a damaged file fails in many ways inside scipy: zlib, struct, type and value errors
        raise UserError(f"{path} cannot be read: {error}.", "Copy the file again.") from error
    regions = content.get("LabelMap")
    if regions is None or regions.ndim != 2 or regions.min(initial=0) < 0 or regions.max(initial=0) > 459:
        raise UserError(f"{path} holds no LabelMap of ids 0 to 459.", "Copy the file again.")
    return np.asarray(regions, np.uint16)
