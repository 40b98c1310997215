"""Reading the pickles of CIFAR without running anything that they say.

A pickle may name any function and have it called. These files need none but those that put an array together, so
everything else is refused before it is looked up.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ttt_bench.domains.pixels.opening import FileError, open_file

HINT = "Only arrays, lists, numbers and texts are read; nothing in the file was run. Copy the original file again."


def _dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    made: np.dtype[Any] = np.dtype(name, bool(align), bool(copy))
    return made


def _empty(kind: Any, shape: Any, code: Any) -> Any:
    """Numpy's ``_reconstruct``: an array to be filled by the pickle, never of a subclass."""
    return np.ndarray((0,), "b")


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes as Python 3 writes them in old protocols: as text with their encoding."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in the encoding {encoding!r}")
    return text.encode("latin-1")


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
    """Numpy's ``_frombuffer``, which protocol 5 names."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _latin1,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _empty for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
"""What may be named, and what stands for it here: numpy 1 and 2, protocols 0 to 5, Python 2 and 3."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which has no place in such a file")
        return ALLOWED[module, name]


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, with text keys, whichever of text and bytes they are in the file.

    Raises:
        UserError: the file is missing or damaged, names any other function, or holds no dictionary.
    """
    with open_file(path) as file:
        try:
            content = _Reader(file, encoding="bytes").load()
        except OSError as error:
            raise FileError(f"{path} cannot be read: {error.strerror}.", "Copy the file again.") from error
        except Exception as error:  # a damaged or foreign pickle fails in every way there is
            raise FileError(f"{path} cannot be read as a pickle of CIFAR: {error}.", HINT) from error
    if not isinstance(content, dict):
        raise FileError(f"{path} holds a {type(content).__name__}, not a dictionary.", HINT)
    return {_text(key): value for key, value in content.items()}


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def texts(path: Path, value: Any) -> tuple[str, ...]:
    """A list of names as text.

    Raises:
        UserError: it is no list of names.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, (str, bytes)) for item in value):
        raise FileError(f"{path} holds no list of names where one is expected.", HINT)
    return tuple(_text(item) for item in value)
