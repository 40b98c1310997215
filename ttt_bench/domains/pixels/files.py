"""Finding the files of real data sets by name, and bringing their content to the asked size."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.opening import FileError, is_folder, not_listed, read_text
from ttt_bench.domains.pixels.thinning import thin
from ttt_bench.errors import UserError

Bools = npt.NDArray[np.bool_]


def list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Names in ``folder`` by stem; ``a.PNG`` counts as ``a.png``. Whether a file can be opened is not looked at.

    Raises:
        UserError: there is no such folder, or two files have one stem.
    """
    files: dict[str, str] = {}
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - ten thousand names
    except OSError as error:
        raise not_listed(folder, error) from error
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122 - likewise
        if suffix.lower() not in suffixes or stem.startswith("."):
            continue
        if stem in files:
            raise UserError(f"{folder} has both {files[stem]} and {name}.", "Delete the one that is wrong.")
        files[stem] = name
    return files


def read_names(path: Path) -> list[str]:
    """The lines of a split file, without blanks.

    Raises:
        UserError: it is missing, empty, names something twice, or has a line that is no name of a file.
    """
    text = read_text(path, "It lists one image per line.")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise FileError(f"{path} is empty.", "It should list one image per line.")
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise FileError(f"{path} lists {twice[0]} twice.", "Remove one of the lines.")
    for name in names:
        if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
            raise FileError(
                f"{path}: {name!r} is no name of an image.", "Each line is a file's name without its ending."
            )
    return names


def choose_files(root: Path, folders: Iterable[str], names: Iterable[str], suffixes: tuple[str, ...]) -> dict[str, str]:
    """``name -> file`` (relative to ``root``) from the first of ``folders`` that has it; a file that none has is
    expected in the first.

    Raises:
        UserError: there is none of the folders, or one cannot be listed.
    """
    chosen: dict[str, str] = {}
    folders = tuple(folders)
    existing = [folder for folder in folders if is_folder(root / folder)] or list(folders[:1])
    for folder in existing:
        for stem, name in list_files(root / folder, suffixes).items():
            chosen.setdefault(stem, f"{folder}/{name}")
    return {name: chosen.get(name, f"{existing[0]}/{name}{suffixes[0]}") for name in names}


def digest(lines: Iterable[str]) -> str:
    """A hash of lines of text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def unit_normals(pixels: Array, signs: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    """(H, W, 3) uint8 -> (3, H, W) unit vectors x right, y up, z towards the viewer; 255 where there is none.

    Args:
        pixels: 2 v / 255 - 1 are the components.
        signs: what each component is multiplied by to reach this project's frame.
    """
    vectors = pixels.astype(np.float32) * np.float32(2 / 255) - 1
    norm = np.sqrt((vectors**2).sum(-1, keepdims=True))
    # Grey (127 or 128) stands for no vector, black decodes to length 1.7: neither is a direction.
    valid = (norm > 0.5) & (norm < 1.5)
    result = np.where(valid, vectors / np.where(valid, norm, 1) * np.array(signs, np.float32), np.float32(255))
    return np.ascontiguousarray(np.moveaxis(result, -1, 0))


@dataclass(frozen=True)
class Framing:
    """How a native frame becomes an output of a given size: the largest central part of its shape, resized."""

    native: tuple[int, int]
    size: tuple[int, int]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in native pixels."""
        scale = min(self.native[0] / self.size[0], self.native[1] / self.size[1])
        height, width = scale * self.size[0], scale * self.size[1]
        top, left = (self.native[0] - height) / 2, (self.native[1] - width) / 2
        return left, top, left + width, top + height

    def image(self, pixels: Array) -> npt.NDArray[np.uint8]:
        """(h, w, 3) uint8 -> (H, W, 3), antialiased."""
        from PIL import Image

        small = Image.fromarray(pixels).resize(self.size[::-1], Image.Resampling.BICUBIC, box=self.box)
        return np.asarray(small, np.uint8)

    def labels(self, values: Array) -> Array:
        """(..., h, w) -> (..., H, W), each pixel the nearest native one; nothing is mixed."""
        left, top, right, bottom = self.box
        rows = top + (np.arange(self.size[0]) + 0.5) * (bottom - top) / self.size[0]
        columns = left + (np.arange(self.size[1]) + 0.5) * (right - left) / self.size[1]
        return values[..., rows.astype(np.intp)[:, None], columns.astype(np.intp)[None, :]]

    def lines(self, edges: Bools) -> Bools:
        """(h, w) lines -> (H, W), one pixel thin: any edge pixel within an output pixel counts, then thinned.

        Taking the nearest native pixel instead would tear thin lines apart.
        """
        left, top, _, bottom = self.box
        scale = (bottom - top) / self.size[0]
        if scale <= 1:
            return thin(self.labels(edges))
        y, x = np.nonzero(edges)
        rows, columns = np.floor((y + 0.5 - top) / scale), np.floor((x + 0.5 - left) / scale)
        inside = (rows >= 0) & (rows < self.size[0]) & (columns >= 0) & (columns < self.size[1])
        marked = np.zeros(self.size, bool)
        marked[rows[inside].astype(np.intp), columns[inside].astype(np.intp)] = True
        return thin(marked)
