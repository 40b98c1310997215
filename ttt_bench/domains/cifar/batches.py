"""CIFAR-10 and CIFAR-100 in their Python batches, whole or in part.

Krizhevsky: "Learning multiple layers of features from tiny images", technical report, University of Toronto, 2009.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.cifar.family import HUNDRED, TEN
from ttt_bench.domains.cifar.pickles import HINT, read_pickle, texts
from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.array_domain import ArrayDomain, digest_rows
from ttt_bench.domains.disk.pictures import HOLD_OUT, checked_ids, labelled
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.opening import FileError, is_file
from ttt_bench.errors import UserError

VERSION = 2
SIDE = 32


@dataclass(frozen=True)
class Variant:
    """Where CIFAR-10 and CIFAR-100 differ."""

    name: str
    classes: tuple[str, ...]
    train: str
    """Pattern of the training files."""
    test: str
    meta: str
    labels: str
    """Key of the labels in a batch."""
    names: str
    """Key of the class names in the meta file."""


TEN_CLASSES = Variant("cifar10", TEN, "data_batch_*", "test_batch", "batches.meta", "labels", "label_names")
HUNDRED_CLASSES = Variant("cifar100", HUNDRED, "train", "test", "meta", "fine_labels", "fine_label_names")


@dataclass(frozen=True)
class Batch:
    """The content of one file."""

    images: npt.NDArray[np.uint8]
    """(N, 32, 32, 3)."""
    labels: npt.NDArray[np.int64]
    """(N,), positions in the canonical class names."""


def cifar10(root: Path, size: tuple[int, int]) -> Cifar:
    """CIFAR-10 at ``root``."""
    return Cifar(TEN_CLASSES, root, size)


def cifar100(root: Path, size: tuple[int, int]) -> Cifar:
    """CIFAR-100 at ``root``."""
    return Cifar(HUNDRED_CLASSES, root, size)


def is_cifar100(root: Path) -> bool:
    """Whether the files train, test and meta are there: as folders they are somebody else's."""
    return is_file(root / "meta") and any(is_file(root / name) for name in ("train", "test"))


class Cifar(ArrayDomain):
    """Small photographs of one class each. Every tenth training image is the validation split.

    Args:
        variant: ten or a hundred classes.
        root: the folder with the batches.
        size: (H, W); 32x32 leaves the pixels as they are.

    Raises:
        UserError: a file is missing, damaged, not what it should be, or names functions to run.
    """

    def __init__(self, variant: Variant, root: Path, size: tuple[int, int]) -> None:
        super().__init__(variant.name, variant.classes, root, size)
        self._variant = variant
        files = (*training_files(root, variant), root / variant.test)
        self._counts = {path: len(read_batch(path, variant).labels) for path in files}
        self._train = sum(self._counts.values()) - self._counts[files[-1]]

    def length(self, split: Split) -> int:
        """How many images ``split`` has."""
        if split == "test":
            return self._counts[self._root / self._variant.test]
        validation = -(-self._train // HOLD_OUT)
        return validation if split == "val" else self._train - validation

    def sample(self, split: Split, index: int) -> Sample:
        """Image ``index`` of ``split``."""
        self.check_index(split, index)
        path, row = self._place(split, index)
        batch = read_batch(path, self._variant)
        return labelled(batch.images[row], int(batch.labels[row]), self.size)

    def _place(self, split: Split, index: int) -> tuple[Path, int]:
        """File and row of an image."""
        if split == "test":
            return self._root / self._variant.test, index
        row = HOLD_OUT * index if split == "val" else index + index // (HOLD_OUT - 1) + 1
        for path, count in self._counts.items():
            if row < count:
                return path, row
            row -= count
        raise AssertionError("the counts add up to the length")

    def content(self) -> Any:
        """The reader's version, a hash of the pixels and labels of every file, and what the labels mean."""
        said = self.hashed([path.name for path in self._counts], partial(_hash, variant=self._variant), "-batches")
        return {self.name: VERSION, "files": said, "order": class_order(self._root, self._variant).tolist()}

    def labels(self) -> npt.NDArray[np.int64]:
        """Of all files, as in the canonical class names."""
        return np.concatenate([read_batch(path, self._variant).labels for path in self._counts])

    def pixels(self, split: Split) -> Iterator[Array]:
        """Every image of ``split``."""
        for index in range(self.length(split)):
            path, row = self._place(split, index)
            yield read_batch(path, self._variant).images[row]


def training_files(root: Path, variant: Variant) -> list[Path]:
    """The training batches in the order of their numbers; a subset of them is welcome.

    Raises:
        UserError: there is none.
    """
    found = [path for path in root.glob(variant.train) if re.fullmatch(r"\w+?\d*", path.name)]
    if not found:
        raise FileError(
            f"{root / variant.train.replace('*', '1')} does not exist.", "Complete the copy of the data.", "missing"
        )
    return sorted(found, key=lambda path: (len(path.name), path.name))


@lru_cache(maxsize=16)
def read_batch(path: Path, variant: Variant) -> Batch:
    """One file of images, read once per process.

    Raises:
        UserError: it is missing, damaged, or its labels and images do not fit together.
    """
    content = read_pickle(path)
    if variant.labels not in content or "data" not in content:
        raise FileError(f"{path} has no {variant.labels!r} and 'data', but {', '.join(sorted(content))}.", HINT)
    data, labels = content["data"], content[variant.labels]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * SIDE * SIDE,):
        said = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise FileError(f"{path}: the images are {said}, not uint8 of shape (N, {3 * SIDE * SIDE}).", HINT)
    try:
        ids = np.asarray(labels, np.int64)
    except (TypeError, ValueError) as error:
        raise FileError(f"{path}: {variant.labels} holds something else than numbers.", HINT) from error
    if ids.shape != (len(data),):
        raise FileError(
            f"{path} has {len(data)} images and {ids.size} labels.", "Copy the original file again.", "out of range"
        )
    order = class_order(path.parent, variant)
    images = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Batch(images, order[checked_ids(path, ids, len(order))])


def class_order(root: Path, variant: Variant) -> npt.NDArray[np.int64]:
    """File label -> position in the canonical class names, by the names in the meta file.

    Raises:
        UserError: the meta file is damaged or has other names.
    """
    usual = np.arange(len(variant.classes), dtype=np.int64)
    path = root / variant.meta
    if not is_file(path):
        return usual
    content = read_pickle(path)
    if variant.names not in content:
        raise FileError(f"{path} has no {variant.names!r}.", HINT)
    names = texts(path, content[variant.names])
    if sorted(names) != sorted(variant.classes):
        odd = sorted(set(names) ^ set(variant.classes))[:5]
        raise UserError(
            f"{path} does not name the classes of {variant.name}: {', '.join(odd)}.",
            "Copy the original file again, or describe data of your own as the family folder does.",
        )
    return np.array([variant.classes.index(name) for name in names], np.int64)


def _hash(path: Path, variant: Variant) -> str:
    """Of the file's bytes would change with every copy's protocol; pixels and labels are what counts.

    The labels are those of the file: the meta file, which names them, may change while this one does not.
    """
    batch = read_batch(path, variant)
    return digest_rows(batch.images, np.argsort(class_order(path.parent, variant))[batch.labels])
