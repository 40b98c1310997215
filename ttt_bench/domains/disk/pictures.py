"""Domains of one label per image: what their readers share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Sample, Split
from ttt_bench.domains.pixels.files import Framing, digest, read_image
from ttt_bench.domains.pixels.opening import FileError, explained, look_at
from ttt_bench.errors import UserError

TASK = "class"
HOLD_OUT = 10
"""Every tenth training image is the validation split."""
PICTURE_MODES = ("RGB", "L", "P", "RGBA", "CMYK", "1", "LA", "YCbCr")
Array = npt.NDArray[Any]


def held_out(positions: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Training images as (train, val)."""
    return [p for i, p in enumerate(positions) if i % HOLD_OUT], list(positions[::HOLD_OUT])


def labelled(pixels: Array, label: int, size: tuple[int, int]) -> Sample:
    """A sample of one label: ``pixels`` (h, w, 3) cropped centrally to the asked shape and resized."""
    if pixels.shape[:2] != size:
        from PIL import Image

        pixels = Framing(pixels.shape[:2], size).image(Image.fromarray(pixels))
    return Sample(np.ascontiguousarray(pixels), {TASK: np.asarray(label, np.int64)})


@lru_cache(maxsize=8)
def mapped(path: Path) -> Array:
    """An array file, mapped into memory: the pages are read when they are needed.

    Raises:
        UserError: it is missing or holds no array.
    """
    look_at(path)
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path} cannot be read as an array: {error}.", "Copy the file again.") from error
    return array


def pictures(path: Path, side: int = 32) -> Array:
    """(N, side, side, 3) uint8 of an array file.

    Raises:
        UserError: it holds something else.
    """
    array = mapped(path)
    if array.dtype != np.uint8 or array.shape[1:] != (side, side, 3):
        raise FileError(
            f"{path} is {array.dtype} of shape {array.shape}, not uint8 of shape (N, {side}, {side}, 3).",
            "Copy the original file again.",
        )
    return array


def class_ids(path: Path, classes: int) -> npt.NDArray[np.int64]:
    """(N,) labels of an array file, of whatever whole-number type.

    Raises:
        UserError: it holds something else, or a label that is no class.
    """
    array = mapped(path)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise FileError(f"{path} is {array.dtype} of shape {array.shape}, not a list of labels.", "Copy it again.")
    return checked_ids(path, np.asarray(array, np.int64), classes)


def checked_ids(path: Path, ids: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """``ids`` themselves.

    Raises:
        UserError: one is no class.
    """
    wrong = ids[(ids < 0) | (ids >= classes)]
    if wrong.size:
        raise FileError(
            f"{path}: label {wrong[0]} is no class (they go from 0 to {classes - 1}).",
            "Copy the original file again.", "out of range",
        )  # fmt: skip
    return ids


class PictureFiles(Domain):
    """Pictures in files, one label each; grey and other pictures are read as RGB.

    Args:
        name: of the domain.
        root: what the files' names are relative to.
        size: (H, W).
        classes: names; position = label.
        files: split -> (file below the root, label).
        version: of the reader.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        size: tuple[int, int],
        classes: tuple[str, ...],
        files: dict[Split, list[tuple[str, int]]],
        version: int,
    ) -> None:
        self.name, self.size, self.classes, self.tasks = name, size, classes, (TASK,)
        self._root, self._files, self._version = root, files, version

    def length(self, split: Split) -> int:
        """How many pictures ``split`` has."""
        return len(self._files.get(split, ()))

    def sample(self, split: Split, index: int) -> Sample:
        """Read picture ``index`` of ``split``."""
        self.check_index(split, index)
        label = self._files[split][index][1]
        picture = read_image(self.path(split, index), PICTURE_MODES)
        framing = Framing((picture.height, picture.width), self.size)
        return Sample(framing.image(picture.convert("RGB")), {TASK: np.asarray(label, np.int64)})

    def path(self, split: Split, index: int) -> Path:
        """The file of picture ``index`` of ``split``."""
        return self._root / self._files[split][index][0]

    def content(self) -> Any:
        """The reader's version, and name, size and label of every file of each split."""
        lines = {split: [f"{f} {label} {self._bytes(f)}" for f, label in files] for split, files in self._files.items()}
        return {"pictures": self._version, "files": {split: digest(said) for split, said in lines.items()}}

    def _bytes(self, file: str) -> int:
        return look_at(self._root / file).st_size


def list_pictures(folder: Path) -> list[str]:
    """Names of the pictures in ``folder``, sorted; hidden files and others are left out.

    Raises:
        UserError: the folder cannot be listed.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise explained(folder, error) from error
    return [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]


SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff")


def refuse_empty(what: str, count: int, hint: str) -> None:
    """Refuse a data set without images.

    Raises:
        UserError: there are none.
    """
    if not count:
        raise UserError(f"{what} holds no pictures.", hint)
