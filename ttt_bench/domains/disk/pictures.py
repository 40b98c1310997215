"""Domains of one label per image: what their readers share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Sample, Split
from ttt_bench.domains.disk.reader import FileDomain
from ttt_bench.domains.pixels.arrays import read_npy
from ttt_bench.domains.pixels.files import Framing, digest
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.kinds import Find, Kind, pixels
from ttt_bench.domains.pixels.opening import FileError, not_listed

TASK = "class"
HOLD_OUT = 10
"""Every tenth training image is the validation split."""
MANY_OF_EACH = 20
"""With so many images for each class on average, every class occurs."""
Labelled = tuple[str, int]
"""A file below the root, and its label."""
SUFFIXES = (".jpeg", ".jpg", ".png")
mapped = lru_cache(maxsize=32)(read_npy)
"""An array file, mapped into memory once per process: its pages are read when they are needed."""


def held_out(files: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Training images as (train, val)."""
    return [file for i, file in enumerate(files) if i % HOLD_OUT], list(files[::HOLD_OUT])


def labelled(values: Array, label: int, size: tuple[int, int]) -> Sample:
    """A sample of one label: ``values`` (h, w, 3) uint8 cropped centrally to the asked shape and resized."""
    height, width = values.shape[:2]
    image = values if (height, width) == size else Framing((height, width), size).image(values)
    return Sample(np.ascontiguousarray(image), {TASK: np.asarray(label, np.int64)})


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


def label_doubts(labels: npt.NDArray[np.int64], classes: Sequence[str]) -> tuple[str, ...]:
    """Whether numbered labels seem to count from another number than 0, in words.

    Args:
        labels: (N,), all between 0 and ``len(classes) - 1``.
        classes: names by label.
    """
    if len(labels) < MANY_OF_EACH * len(classes):
        return ()
    counts = np.bincount(labels, minlength=len(classes))
    return tuple(
        f"none of {len(labels)} images is of the {place} class, {label} ({classes[label]}): "
        "are the labels counted from 0, and is this the right set of classes?"
        for place, label in (("first", 0), ("last", len(classes) - 1))
        if not counts[label] and counts.any()
    )


class PictureFiles(FileDomain):
    """Pictures in files, one label each; grey ones are read as RGB.

    Args:
        name: of the domain.
        root: what the files' names are relative to.
        size: (H, W).
        classes: names; position = label.
        files: split -> pictures with their labels.
        version: of the reader.
        numbered: whether the labels stand as numbers in a list, which may count from one.
    """

    tasks = (TASK,)
    kinds = (Kind("picture", pixels("photo")),)

    def __init__(
        self,
        name: str,
        root: Path,
        size: tuple[int, int],
        classes: tuple[str, ...],
        files: dict[Split, list[Labelled]],
        version: int,
        numbered: bool = False,
    ) -> None:
        super().__init__(root, size)
        self.name, self.classes, self._version, self._numbered = name, classes, version, numbered
        self._listed: dict[Split, list[Labelled]] = {}
        for split, listed in files.items():
            kept = set(self._kept([file for file, _ in listed]))
            self._listed[split] = [(file, label) for file, label in listed if file in kept]

    def length(self, split: Split) -> int:
        """How many pictures ``split`` has."""
        return len(self._listed.get(split, ()))

    def sample(self, split: Split, index: int) -> Sample:
        """Read picture ``index`` of ``split``."""
        content = self.load(split, index)
        return labelled(content["picture"], self._listed[split][index][1], self.size)

    def find(self, split: Split, index: int) -> Find:
        """The picture's file."""
        path = self._root / self._listed[split][index][0]
        return lambda kind: path

    def image_name(self, split: Split, index: int) -> str:
        """The file's path below the root."""
        return self._listed[split][index][0]

    def described(self) -> dict[str, Any]:
        """The reader's version."""
        return {"pictures": self._version}

    def listed(self) -> dict[str, Any]:
        """The pictures of each split with their labels."""
        splits = {split: digest(f"{file} {label}" for file, label in self._listed.get(split, ())) for split in SPLITS}
        return {"splits": splits}

    def sample_key(self, split: Split, index: int) -> str:
        """With the label, which stands in no file of the picture's own."""
        return f"{super().sample_key(split, index)}-{self._listed[split][index][1]}"

    def set_doubts(self) -> tuple[str, ...]:
        """Pictures that are in two splits, and labels that seem to count from elsewhere."""
        labels = [label for files in self._listed.values() for _, label in files] if self._numbered else []
        return (*super().set_doubts(), *label_doubts(np.array(labels, np.int64), self.classes))


def list_pictures(folder: Path) -> list[str]:
    """Names of the pictures in ``folder``, sorted; hidden files and others are left out.

    Raises:
        FileError: the folder cannot be listed.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - ten thousand names
    except OSError as error:
        raise not_listed(folder, error) from error
    return [name for name in names if not name.startswith(".") and name.lower().endswith(SUFFIXES)]
