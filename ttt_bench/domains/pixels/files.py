"""Reading image files of real data sets, and bringing them to the asked size. Pillow is loaded when first needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError

Array = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]
IMAGES = (".png", ".jpg", ".jpeg")


class File(NamedTuple):
    """A file in a folder."""

    name: str
    bytes: int


def list_files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, File]:
    """Files of ``folder`` by stem; ``a.PNG`` counts as ``a.png``.

    Raises:
        UserError: there is no such folder, or two files have one stem.
    """
    files: dict[str, File] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 - ten thousand names
                if suffix.lower() not in suffixes or stem.startswith("."):
                    continue
                if stem in files:
                    raise UserError(
                        f"{folder} has both {files[stem].name} and {entry.name}.", "Delete the one that is wrong."
                    )
                files[stem] = File(entry.name, entry.stat().st_size)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed: {error.strerror}.", "Complete the copy of the data.") from error
    return files


def read_names(path: Path) -> list[str]:
    """The lines of a split file, without blanks.

    Raises:
        UserError: it is missing, empty or names something twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "It lists one image per line.") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise UserError(f"{path} is empty.", "It should list one image per line.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{path} lists {twice} twice.", "Remove one of the lines.")
    return names


def choose_files(root: Path, folders: Iterable[str], names: list[str], suffixes: tuple[str, ...]) -> dict[str, File]:
    """``name -> file`` (relative to ``root``) from the first of ``folders`` that has it.

    Raises:
        UserError: no folder has a file for one of ``names``.
    """
    chosen: dict[str, File] = {}
    folders = tuple(folders)
    existing = [folder for folder in folders if (root / folder).is_dir()] or list(folders[:1])
    for folder in existing:
        for stem, file in list_files(root / folder, suffixes).items():
            chosen.setdefault(stem, File(f"{folder}/{file.name}", file.bytes))
    missing = [name for name in names if name not in chosen]
    if missing:
        more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
        raise UserError(
            f"{root / existing[0] / (missing[0] + suffixes[0])}{more} do not exist.",
            "Complete the copy of the data; `python -m ttt_bench data check` lists everything that is missing.",
        )
    return {name: chosen[name] for name in names}


def digest(lines: Iterable[str]) -> str:
    """A hash of lines of text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_image(path: Path, modes: tuple[str, ...]) -> Any:
    """A decoded Pillow image whose file is closed.

    Raises:
        UserError: the file is missing, unreadable or of another mode.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            image = file.copy()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.", "Complete the copy of the data.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow calls a broken PNG a SyntaxError
        raise UserError(f"{path} cannot be read: {error}.", "Copy the file again.") from error
    if image.mode not in modes:
        raise UserError(f"{path} is a picture of mode {image.mode}, not {modes[0]}.", "Copy the original file again.")
    return image


RGB = ("RGB",)
IDS = ("L", "P")
DEEP = ("I;16", "I", "I;16B")
"""16-bit greyscale; never do arithmetic on it before a conversion: adding 1 to 65535 would wrap around."""


def read_array(path: Path, modes: tuple[str, ...], size: tuple[int, int] | None = None) -> Array:
    """Pixels of an image file: (H, W) or (H, W, 3).

    Args:
        path: the file.
        modes: Pillow modes that it may have.
        size: (H, W) that it must have.

    Raises:
        UserError: the file is missing, unreadable or of another mode or size.
    """
    pixels = np.asarray(read_image(path, modes))
    if size is not None:
        check_size(path, pixels.shape, size)
    return pixels


def check_size(path: Path, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Refuse a file of another size than its image.

    Raises:
        UserError: it is.
    """
    if shape[:2] != size:
        raise UserError(
            f"{path} is {shape[0]}x{shape[1]}; its image is {size[0]}x{size[1]}.", "Copy the original files again."
        )


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

    def image(self, picture: Any) -> npt.NDArray[np.uint8]:
        """(H, W, 3) of a Pillow image, antialiased."""
        from PIL import Image

        small = picture.resize(self.size[::-1], Image.Resampling.BICUBIC, box=self.box)
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
        from ttt_bench.domains.release import thin

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
