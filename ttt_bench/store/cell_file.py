"""A stored cell, opened to be read piece by piece. Its content may come from anywhere: nothing in it is trusted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.files import amount, open_regular
from ttt_bench.store.entry import unpacked
from ttt_bench.store.header import MOST_BYTES, Header, parse_header

MOST_ARRAY = 32 * 2**30
"""Bytes of one array; more than any sweep stores, less than a file of zeros can be made to claim."""
PORTION = 4 * 2**20
SMALL = 2**20
UPDATES = ("loss", "seconds", "forwards", "backwards")
"""Arrays of (adapted batches, steps)."""
MAGIC_BYTES = 10
"""Of an array: its magic string, its version, and how long its header is."""
_REDO = "Delete it and run the sweep again; only this cell is redone."


class CellFile:
    """The header of a cell, and its arrays as they are asked for; use as a context manager.

    Raises:
        UserError: the file is missing, cannot be read or is damaged; from every method.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: dict[str, npt.NDArray[Any]] = {}
        with reading(path):
            self._file = open_regular(path)
        try:
            with reading(path):
                self._archive = zipfile.ZipFile(self._file)
                self._entries = {entry.filename.removesuffix(".npy"): entry for entry in self._archive.infolist()}
                self.header: Header = parse_header(self._header_text())
        except BaseException:
            self._file.close()
            raise

    @property
    def names(self) -> list[str]:
        """Names of the arrays, but for the header's."""
        return [name for name in self._entries if name != "header"]

    def shape(self, name: str) -> tuple[int, ...]:
        """Of an array, from its own header."""
        small = self._small(name)
        if small is not None:
            return small.shape
        with reading(self.path), self._open(name) as entry:
            return _npy_header(entry, self._entries[name].file_size)[0]

    def array(self, name: str) -> npt.NDArray[Any]:
        """All of an array; one that is small and kept here cannot be written to."""
        blocks = list(self.blocks(name, None))
        return blocks[0]

    def blocks(self, name: str, rows: int | None) -> Iterator[npt.NDArray[Any]]:
        """An array in pieces of so many rows (its first axis); None: all at once. Empty arrays come as one piece."""
        small = self._small(name)
        if small is not None:
            count = len(small) if small.ndim else 1
            step = max(1, count if rows is None else rows)
            starts = range(0, max(count, 1), step)
            yield from (small[start : start + step] if small.ndim else small for start in starts)
            return
        with reading(self.path), self._open(name) as entry:
            shape, dtype = _npy_header(entry, self._entries[name].file_size)
            row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
            count = shape[0] if shape else 1
            step = max(1, count if rows is None else rows)
            for start in range(0, max(count, 1), step):
                some = min(step, count - start) if shape else 1
                piece = np.empty((some, *shape[1:]) if shape else (), dtype)
                _fill(entry, piece, some * row)
                yield piece
            # Reading to the end is what makes the archive check its sum.
            if entry.read(1):
                raise ValueError(f"{name} is longer than it says")

    def _small(self, name: str) -> npt.NDArray[Any] | None:
        """A small array, read whole and once: there are many of them, and each opening costs more than its bytes."""
        entry = self._entries.get(name)
        if name not in self._read and entry is not None and max(entry.file_size, entry.compress_size) <= SMALL:
            with reading(self.path):
                self._refuse_odd(name)
                self._read[name] = _parsed(unpacked(self._file, entry))
        return self._read.get(name)

    def check(self) -> None:
        """See that the arrays which every cell has are there, are numbers, and fit to each other and to the header."""
        with reading(self.path):
            steps = len(self.header.eval_steps)
            for name in (*UPDATES, "eval_seconds"):
                if len(self.shape(name)) != 2:
                    raise ValueError(f"{name} is no table of batches and steps")
            batches, columns = self.shape("eval_seconds")
            if columns != steps:
                raise ValueError(f"eval_seconds has {columns} steps, not {steps}")
            for name in self.names:
                if name.startswith("statistics/") and self.shape(name)[:2] != (batches, steps):
                    raise ValueError(f"{name} is not of {batches} batches and {steps} steps")

    def _header_text(self) -> bytes:
        with self._open("header") as entry:
            size = self._entries["header"].file_size
            if size > MOST_BYTES:
                raise ValueError(f"its header has {amount(size)}")
            shape, dtype = _npy_header(entry, size)
            if dtype != np.uint8 or len(shape) != 1:
                raise ValueError("its header is no text")
            return entry.read()

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._entries:
            raise ValueError(f"it has no {name}")
        self._refuse_odd(name)
        return self._archive.open(self._entries[name])

    def _refuse_odd(self, name: str) -> None:
        entry = self._entries[name]
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise ValueError(f"{name} is packed in a way that this project never uses")

    def __enter__(self) -> CellFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()
        self._file.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong in a block which file it was and what to do."""
    try:
        yield
    except (UserError, GeneratorExit, KeyboardInterrupt):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Ask its owner for the permission.") from error
    except Exception as error:  # zip, zlib, numpy and JSON raise some twenty kinds for damaged files
        raise UserError(f"{path} is damaged ({error or type(error).__name__}).", _REDO) from error


def _npy_header(entry: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that follows; checked against the bytes there are before any is made room for."""
    start = entry.read(MAGIC_BYTES)
    length = int.from_bytes(start[-2:], "little")
    shape, dtype = _described(start + entry.read(length))
    values = 1
    for count in shape:
        values *= count
    if values * dtype.itemsize + MAGIC_BYTES + length != size or size > MOST_ARRAY:
        raise ValueError(f"an array of shape {shape} in {size} bytes")
    return shape, dtype


@lru_cache(maxsize=512)
def _described(head: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type in the first bytes of an array; thousands of arrays have the same."""
    text = io.BytesIO(head)
    version = np.lib.format.read_magic(text)
    if version != (1, 0):
        raise ValueError(f"an array of format {version}")
    shape, column_major, dtype = np.lib.format.read_array_header_1_0(text)
    if dtype.kind not in "biuf" or dtype.hasobject or (column_major and len(shape) > 1):
        raise ValueError("an array of something else than numbers, row by row")
    if any(not isinstance(length, int) or length < 0 for length in shape):
        raise ValueError("an array with an impossible shape")
    return tuple(shape), dtype


def _parsed(content: bytes) -> npt.NDArray[Any]:
    """The array in the bytes of a whole entry."""
    entry = io.BytesIO(content)
    shape, dtype = _npy_header(entry, len(content))
    return np.frombuffer(content, dtype, offset=entry.tell()).reshape(shape)


def _fill(entry: IO[bytes], piece: npt.NDArray[Any], size: int) -> None:
    # In portions: the bytes of a large array must not stand in memory twice.
    target = memoryview(piece.reshape(-1).view(np.uint8))
    for start in range(0, size, PORTION):
        some = min(PORTION, size - start)
        content = entry.read(some)
        if len(content) != some:
            raise ValueError("an array ends early")
        target[start : start + some] = content
