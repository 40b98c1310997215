"""The kinds of file that every image of a data set has, and reading them: for samples and for ``data check`` alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ttt_bench.domains.pixels.images import Array, Content, read_pixels
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.errors import UserError

Find = Callable[[str], Path]
"""Kind -> where its file is or should be; a function, because a million images times five paths are too many."""
SHAPE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Kind:
    """One kind of file that every image has."""

    name: str
    read: Callable[[Path], Array]
    """(h, w, ...) content; raises UserError."""
    fault: Callable[[Array], str] | None = None
    """What is wrong with the values; empty when nothing is."""
    scaled: bool = False
    """Whether it may be of another resolution than the image, at the same shape."""


def pixels(content: Content) -> Callable[[Path], Array]:
    """What reads an image file whose pixels mean ``content``."""
    return partial(read_pixels, content=content)


def ids_up_to(largest: int, void: int | None = None) -> Callable[[Array], str]:
    """What finds ids above ``largest`` other than ``void``."""

    def fault(values: Array) -> str:
        unknown = np.unique(values[(values > largest) & (values != (largest if void is None else void))])
        also = f", {void} is void" if void is not None else ""
        others = f" (and {len(unknown) - 1} more ids)" if len(unknown) > 1 else ""
        return f"class id {unknown[0]} is unknown{others}; ids go to {largest}{also}" if unknown.size else ""

    return fault


def look(kinds: Sequence[Kind], find: Find) -> tuple[dict[str, Array], list[FileError]]:
    """The content of all files of an image that are as they should be, and what is wrong with the others.

    Args:
        kinds: the image's own first; the sizes of the others are compared with it.
        find: where the files are.
    """
    content: dict[str, Array] = {}
    faults: list[FileError] = []
    size: tuple[int, int] | None = None
    for kind in kinds:
        path = find(kind.name)
        try:
            values = kind.read(path)
            height, width = values.shape[:2]
            size = (height, width) if kind is kinds[0] else size
            if size and not _fits((height, width), size, kind.scaled):
                text = f"{path} is {height}x{width}; its image is {size[0]}x{size[1]}."
                raise FileError(text, "Copy the original files again.", "wrong size")
            fault = kind.fault(values) if kind.fault else ""
            if fault:
                raise FileError(f"{path}: {fault}.", "Copy the original file again.", "out of range")
        except FileError as error:
            faults.append(error)
        except UserError as error:
            faults.append(FileError(error.message, error.hint))
        else:
            content[kind.name] = values
    return content, faults


def load(kinds: Sequence[Kind], find: Find) -> dict[str, Array]:
    """The content of all files of an image.

    Raises:
        FileError: one of them is missing, damaged, of another size or holds values that mean nothing.
    """
    content, faults = look(kinds, find)
    if faults:
        raise faults[0]
    return content


def _fits(size: tuple[int, int], image: tuple[int, int], scaled: bool) -> bool:
    if scaled:
        return abs(size[0] * image[1] / (size[1] * image[0]) - 1) <= SHAPE_TOLERANCE
    return size == image
