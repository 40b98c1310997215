"""PASCAL-Context with segmentation, normals and edges, in the package of ATRC and InvPT. There is no depth.

Conventions: section B.3 of the S4T release as read by this project.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.listing import ListedDomain
from ttt_bench.domains.pascal.family import CLASSES
from ttt_bench.domains.pixels.arrays import read_mat
from ttt_bench.domains.pixels.axes import Axes
from ttt_bench.domains.pixels.files import Framing, unit_normals
from ttt_bench.domains.pixels.kinds import Kind, ids_up_to, pixels
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.domains.pixels.plausible import Limits
from ttt_bench.domains.pixels.thinning import boundaries

FOLDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "images": (("JPEGImages",), (".jpg", ".jpeg")),
    "parts": (("pascal-context/trainval",), (".mat",)),
    "semseg": (("semseg/VOC12", "semseg/pascal-context"), (".png",)),
    "normals": (("normals_distill",), (".png",)),
}
"""Kind of file -> folders, the first that has it counts, and how its name may end."""
LISTS = "ImageSets/Context"
VERSION = 2
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


def read_label_map(path: Path) -> npt.NDArray[np.uint16]:
    """(h, w) ids 0..459 of a PASCAL-Context annotation.

    Raises:
        FileError: the file is unreadable or holds no LabelMap.
    """
    regions = read_mat(path, "LabelMap")
    ids = regions.astype(np.uint16) if regions.size and regions.min() >= 0 and regions.max() <= 459 else None
    if ids is None or ids.ndim != 2 or (ids != regions).any():
        raise FileError(f"{path} holds no LabelMap of ids 0 to 459.", "Copy the file again.", "out of range")
    return ids


class Pascal(ListedDomain):
    """Photographs of all kinds with segmentation of VOC's classes, normals and contours.

    Images are cropped centrally to the asked aspect ratio and resized: the image with antialiasing, labels by their
    nearest pixel; contours are found after resizing. Saliency and human parts are not needed. The normals are a
    network's, taught on NYUD-v2's. Nothing in this set tells which way x and y point, so x right and y up are
    assumed; z points to the viewer, as every surface that is seen does.

    Args:
        root: the folder with JPEGImages/, pascal-context/, semseg/, normals_distill/ and ImageSets/.
        size: (H, W).

    Raises:
        UserError: a list of names or a file that it names is missing.
    """

    name = "pascal"
    tasks = ("semseg", "normal", "edge")
    classes = CLASSES
    edge_definition = EDGE_DEFINITION
    lists, folders = LISTS, FOLDERS
    kinds = (
        Kind("images", pixels("photo")), Kind("parts", read_label_map),
        Kind("semseg", pixels("ids"), ids_up_to(len(CLASSES), 255)),
        # A network made them: they may be smaller than the image, but not of another shape.
        Kind("normals", pixels("vectors"), scaled=True),
    )  # fmt: skip
    ids_kind, normals_kind = "semseg", "normals"
    limits = Limits(largest_id=len(CLASSES), void=(0, 255))

    def described(self) -> dict[str, Any]:
        """The reader's version, and what an edge is."""
        return {"pascal": VERSION, "edge": EDGE_DEFINITION}

    @cached_property
    def axes(self) -> Axes:
        """x and y as assumed, z by the sign that most normals of some images have."""
        facing = 0.0
        for content in self._probes():
            normals = unit_normals(content["normals"], (1, 1, 1))
            facing += float(np.sign(normals[2][normals[0] != 255]).sum())
        origin = "assumed, as there is no depth to measure them against (z: what is seen faces the viewer)"
        return Axes((1, 1, -1 if facing < 0 else 1), origin)

    def sample(self, split: Split, index: int) -> Sample:
        """Read image ``index`` of ``split``."""
        files = self.load(split, index)
        framing = Framing(files["images"].shape[:2], self.size)
        regions, ids = framing.labels(files["parts"]), files["semseg"]
        normals = Framing(files["normals"].shape[:2], self.size).labels(unit_normals(files["normals"], self.axes.signs))
        labels: dict[str, npt.NDArray[Any]] = {
            "semseg": framing.labels(np.where((ids == 0) | (ids == 255), 255, ids - 1).astype(np.uint8)),
            "normal": np.where(np.isin(regions, NORMAL_CLASSES), normals, np.float32(255)),
            "edge": boundaries(regions)[None].astype(np.float32),
        }
        return Sample(framing.image(files["images"]), labels)
