"""Domains of one label per image whose pictures are rows of a few array files: what their readers share."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import SPLITS, Split
from ttt_bench.domains.disk.contents import hash_files, name_files
from ttt_bench.domains.disk.options import options_now
from ttt_bench.domains.disk.pictures import TASK, label_doubts
from ttt_bench.domains.disk.reader import DiskDomain
from ttt_bench.domains.pixels.images import Array

FEW_TWINS = 0.02
"""Published sets have some pictures in two splits; of one that was copied wrongly a larger share is."""


class ArrayDomain(DiskDomain):
    """Pictures that are rows of array files.

    Args:
        name: of the domain.
        classes: names; position = label.
        root: the folder of the files.
        size: (H, W).
    """

    tasks = (TASK,)

    def __init__(self, name: str, classes: tuple[str, ...], root: Path, size: tuple[int, int]) -> None:
        self.name, self.classes, self.size = name, classes, size
        self._root, self._trusts_names = root, options_now().trust_names

    @abstractmethod
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) of all pictures."""

    @abstractmethod
    def pixels(self, split: Split) -> Iterable[Array]:
        """(h, w, 3) uint8 of every picture of ``split``, as stored."""

    def hashed(self, names: Iterable[str], by: Callable[[Path], str], what: str) -> dict[str, str]:
        """Name of a file -> what ``by`` makes of it, remembered until the file changes; its size under --trust-names.

        Args:
            names: of files below the root.
            by: path -> hash of all that counts in the file.
            what: names ``by``.

        Raises:
            UserError: a file is missing or damaged.
        """
        return name_files(self._root, names) if self._trusts_names else hash_files(self._root, names, by, what)

    def notes(self) -> tuple[str, ...]:
        """Whether names were trusted."""
        said = f"{self.name}: files are known by name and size (--trust-names); edited ones go unnoticed"
        return (said,) if self._trusts_names else ()

    def doubts(self) -> tuple[str, ...]:
        """Labels that seem to count from elsewhere, and pictures that are in two splits."""
        return tuple(f"{self.name}: {text}" for text in self.set_doubts())

    def set_doubts(self) -> tuple[str, ...]:
        """Labels that seem to count from elsewhere, and pictures that are in two splits."""
        return (*label_doubts(self.labels(), self.classes), *self._twins())

    def _twins(self) -> tuple[str, ...]:
        there = [split for split in SPLITS if self.length(split)]
        if len(there) < 2 or self._trusts_names:
            return ()
        first: dict[bytes, tuple[Split, int]] = {}
        twice: list[tuple[tuple[Split, int], tuple[Split, int]]] = []
        for split in there:
            for index, picture in enumerate(self.pixels(split)):
                known = first.setdefault(hashlib.blake2b(picture.tobytes(), digest_size=16).digest(), (split, index))
                if known[0] != split:
                    twice.append((known, (split, index)))
        if len(twice) <= FEW_TWINS * min(self.length(split) for split in there):
            return ()
        example = " = ".join(f"{split} {index}" for split, index in twice[0])
        return (f"{len(twice)} pictures are in two splits: {example}",)


def digest_rows(pictures: Array, labels: npt.NDArray[np.int64]) -> str:
    """A hash of pixels (N, ...) and labels (N,), whatever file or protocol they came in."""
    found = hashlib.sha256(np.ascontiguousarray(pictures).tobytes())
    found.update(np.ascontiguousarray(labels, np.int64).tobytes())
    return found.hexdigest()
