"""What a domain is: named images with labels, split, in one convention across all domains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.identity import identity

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One image with its labels, decoded; 255 marks an invalid pixel in every label."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    labels: dict[str, npt.NDArray[Any]]
    """By task. semseg: (H, W) uint8, the position in ``Domain.classes``. depth: (1, H, W) float32,
    metres along the optical axis. normal: (3, H, W) float32 unit vectors in the camera frame x right, y up,
    z towards the viewer. edge: (1, H, W) float32 in {0, 1}."""


class Domain(ABC):
    """Named images and labels of some tasks. Knows nothing of methods."""

    name: str
    """As written on the command line, e.g. ``rooms/studio`` or ``nyudv2+fog:5``."""
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    """Canonical class names; position = class id. Everything else is 255."""
    size: tuple[int, int]
    """(H, W) of every image and label."""
    edge_definition: str = ""
    """What counts as an edge in this domain, in words."""
    scaling: str = "imagenet"
    """How a network that is trained here takes its pixels: one of ``normalisation.SCALINGS``."""
    code: str = ""
    """Hash of the file that declares it, when that is not the project's own."""
    reopen: tuple[Callable[..., Domain], tuple[Any, ...]] | None = None
    """How another process gets it: a class from a file given by path cannot be imported there by its name."""

    @abstractmethod
    def length(self, split: Split) -> int:
        """How many samples ``split`` holds (for a procedural domain: how many it offers)."""

    @abstractmethod
    def sample(self, split: Split, index: int) -> Sample:
        """Sample ``index`` of ``split``, the same on every call and every machine.

        Raises:
            UserError: the file behind it is missing or unreadable.
        """

    def check_index(self, split: Split, index: int) -> None:
        """Refuse an index outside the split.

        Raises:
            IndexError: there is no such sample.
        """
        if not 0 <= index < self.length(split):
            raise IndexError(f"{self.name} has {self.length(split)} {split} samples; there is no number {index}.")

    @abstractmethod
    def content(self) -> Any:
        """JSON-able description of everything that decides the pixels; two domains are equal iff it is."""

    def sample_key(self, split: Split, index: int) -> str:
        """What decides this sample alone, hashed: in another set its decoded form is known by it. Empty: unknown."""
        return ""

    def left_out(self) -> frozenset[str]:
        """Images that it would have and that the user left out, by the names that she gave."""
        return frozenset()

    def scene(self, split: Split, index: int) -> str:
        """What the sample was taken of, for streams in which such samples arrive together; here nothing is known.

        Where all samples have one scene, their own order is that of files by name.
        """
        self.check_index(split, index)
        return ""

    def camera(self) -> Pinhole | None:
        """Intrinsics of the images, at least roughly; None where nobody knows them."""
        return None

    def notes(self) -> tuple[str, ...]:
        """What every table of results on this domain has to say of its data: what was assumed, measured, left out."""
        return ()

    def doubts(self) -> tuple[str, ...]:
        """What is implausible about the data, from a few samples: to be said before work is done on them."""
        return ()

    def fingerprint(self) -> str:
        """Short hash of name-independent content, size, tasks and classes."""
        said = {"content": self.content(), "size": self.size, "tasks": self.tasks, "classes": self.classes}
        return identity({**said, "code": self.code} if self.code else said)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return super().__reduce_ex__(protocol) if self.reopen is None else self.reopen
