"""CIFAR-10-C and CIFAR-100-C as published: one array file per kind, five severities one after the other.

Hendrycks and Dietterich: "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.cifar.family import HUNDRED, KINDS, SEVERITIES, TEN
from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.array_domain import ArrayDomain, digest_rows
from ttt_bench.domains.disk.pictures import class_ids, labelled, mapped, pictures
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.opening import FileError, exists
from ttt_bench.errors import UserError

VERSION = 2
LABELS = "labels.npy"


def cifar10c(member: str, root: Path, size: tuple[int, int]) -> CifarC:
    """One kind and severity of CIFAR-10-C."""
    return CifarC("cifar10c", TEN, member, root, size)


def cifar100c(member: str, root: Path, size: tuple[int, int]) -> CifarC:
    """One kind and severity of CIFAR-100-C."""
    return CifarC("cifar100c", HUNDRED, member, root, size)


def is_cifar10c(root: Path) -> bool:
    """Whether array files of kinds are there and no label is above nine; damaged labels are judged when read."""
    return _has_kinds(root) and _largest(root) < len(TEN)


def is_cifar100c(root: Path) -> bool:
    """Whether array files of kinds are there and some label is above nine."""
    return _has_kinds(root) and _largest(root) >= len(TEN)


def _has_kinds(root: Path) -> bool:
    return exists(root / LABELS) and any(exists(root / f"{kind}.npy") for kind in KINDS)


def _largest(root: Path) -> int:
    try:
        return int(np.max(mapped(root / LABELS), initial=0))
    except (UserError, TypeError, ValueError):
        return 99 if "100" in root.name else 0


class CifarC(ArrayDomain):
    """The test images under one kind of corruption at one severity: a target only.

    Args:
        name: of the family.
        classes: ten or a hundred.
        member: ``fog-5``.
        root: the folder with ``<kind>.npy`` and ``labels.npy``.
        size: (H, W); 32x32 leaves the pixels as they are.

    Raises:
        UserError: a file is missing or damaged, or images and labels do not fit together.
    """

    def __init__(self, name: str, classes: tuple[str, ...], member: str, root: Path, size: tuple[int, int]) -> None:
        super().__init__(f"{name}/{member}", classes, root, size)
        kind, _, severity = member.rpartition("-")
        self._images = root / f"{kind}.npy"
        self._labels = root / LABELS
        self._severity = int(severity)
        self._count = rows_of_severity(self._images, self._labels, len(classes))

    def length(self, split: Split) -> int:
        """As many test images as the files have at each severity; nothing else."""
        return self._count if split == "test" else 0

    def sample(self, split: Split, index: int) -> Sample:
        """Image ``index`` at this severity."""
        self.check_index(split, index)
        row = (self._severity - 1) * self._count + index
        labels = class_ids(self._labels, len(self.classes))
        return labelled(np.asarray(pictures(self._images)[row]), int(labels[index]), self.size)

    def content(self) -> Any:
        """The reader's version, and hashes of this severity's images and labels."""
        images, labels = self._images.name, self._labels.name
        every = self.hashed([images], _hash_severities, "-severities")[images].split(",")
        ids = self.hashed([labels], lambda path: digest_rows(np.empty(0, np.uint8), self.labels()), "-labels")[labels]
        own = every[self._severity - 1] if len(every) == len(SEVERITIES) else [every, self._severity]
        return {"cifar-c": VERSION, "pixels": own, "labels": ids}

    def labels(self) -> npt.NDArray[np.int64]:
        """Of one severity's images."""
        return class_ids(self._labels, len(self.classes))[: self._count]

    def pixels(self, split: Split) -> Iterable[Array]:
        """The images of ``split`` at this severity."""
        first = (self._severity - 1) * self._count
        return pictures(self._images)[first : first + self.length(split)]


@lru_cache(maxsize=256)
def rows_of_severity(images: Path, labels: Path, classes: int) -> int:
    """How many rows each of the five severities has.

    Raises:
        UserError: a file is missing or damaged, or the labels are not those of the images.
    """
    rows, ids = len(pictures(images)), class_ids(labels, classes)
    count, rest = divmod(rows, len(SEVERITIES))
    if rest or not count:
        raise FileError(
            f"{images} has {rows} images, which is not the same number at each of {len(SEVERITIES)} severities.",
            "Copy the original file again.", "wrong size",
        )  # fmt: skip
    # Some copies keep the labels of one severity only.
    if len(ids) == count:
        return count
    if len(ids) != rows:
        raise FileError(
            f"{labels} has {len(ids)} labels; {images.name} has {rows} images.",
            "The labels are those of the test set five times over. Copy the original file again.", "wrong size",
        )  # fmt: skip
    if not repeats(ids, count):
        raise FileError(
            f"{labels} does not hold the same labels for each severity.",
            "The labels are those of the test set five times over. Copy the original file again.", "out of range",
        )  # fmt: skip
    return count


def repeats(ids: npt.NDArray[np.int64], count: int) -> bool:
    """Whether the labels of the first severity come again at each."""
    return bool((ids.reshape(-1, count) == ids[:count]).all())


def _hash_severities(images: Path) -> str:
    """Hashes of the five parts of a kind's file, with commas between: one reading for all its domains."""
    parts = np.array_split(pictures(images), len(SEVERITIES))
    return ",".join(digest_rows(part, np.empty(0, np.int64)) for part in parts)
