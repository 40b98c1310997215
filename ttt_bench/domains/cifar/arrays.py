"""CIFAR-10.1: new test images, one array of pixels and one of labels.

Recht, Roelofs, Schmidt, Shankar: "Do CIFAR-10 Classifiers Generalize to CIFAR-10?", arXiv 1806.00451.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.cifar.family import TEN
from ttt_bench.domains.contract import Sample, Split
from ttt_bench.domains.disk.array_domain import ArrayDomain, digest_rows
from ttt_bench.domains.disk.pictures import class_ids, labelled, mapped, pictures
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.opening import FileError, exists

VERSION = 2


def files(root: Path) -> tuple[Path, Path]:
    """Pixels and labels of v6, or of v4 where only that is there."""
    version = "v6" if exists(root / "cifar10.1_v6_data.npy") else "v4"
    return root / f"cifar10.1_{version}_data.npy", root / f"cifar10.1_{version}_labels.npy"


class Cifar101(ArrayDomain):
    """CIFAR-10.1: a target only.

    Args:
        root: the folder with both arrays.
        size: (H, W); 32x32 leaves the pixels as they are.

    Raises:
        UserError: a file is missing or damaged, or images and labels differ in number.
    """

    def __init__(self, root: Path, size: tuple[int, int]) -> None:
        super().__init__("cifar10.1", TEN, root, size)
        self._images, self._labels = files(root)
        self._count = len(pictures(self._images))
        labels = len(class_ids(self._labels, len(TEN)))
        if labels != self._count:
            raise FileError(
                f"{self._labels} has {labels} labels; {self._images.name} has {self._count} images.",
                "Copy the original files again.", "wrong size",
            )  # fmt: skip

    def length(self, split: Split) -> int:
        """As many test images as the file has; nothing else."""
        return self._count if split == "test" else 0

    def sample(self, split: Split, index: int) -> Sample:
        """Image ``index``."""
        self.check_index(split, index)
        labels = class_ids(self._labels, len(TEN))
        return labelled(np.asarray(pictures(self._images)[index]), int(labels[index]), self.size)

    def content(self) -> Any:
        """The reader's version, and hashes of the pixels and of the labels."""
        names = (self._images.name, self._labels.name)
        hashes = self.hashed(names, lambda path: digest_rows(mapped(path), np.empty(0, np.int64)), "-rows")
        return {"cifar10.1": VERSION, "files": [hashes[name] for name in names]}

    def labels(self) -> npt.NDArray[np.int64]:
        """Of all images."""
        return class_ids(self._labels, len(TEN))

    def pixels(self, split: Split) -> Iterable[Array]:
        """The images of ``split``."""
        return pictures(self._images)[: self.length(split)]
