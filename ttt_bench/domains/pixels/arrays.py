"""Arrays in NumPy's and MATLAB's files: nothing in them is run, and no header is believed that the file cannot hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.images import MAX_PIXELS
from ttt_bench.domains.pixels.opening import FileError, look_at, open_file

Array = npt.NDArray[Any]
HDF5 = b"\x89HDF\r\n\x1a\n"
HDF5_STARTS = (0, 512)
"""Where the signature may be: MATLAB puts a text of 512 bytes first."""


def read_npy(path: Path) -> Array:
    """The array of a ``.npy`` file, mapped read-only.

    Raises:
        FileError: it is missing, an archive (``.npz``), pickled, cut short, or its header asks for more than it holds.
    """
    look_at(path)
    try:
        # Mapping compares the header with the length of the file before anything is allocated, and knows no pickles.
        return np.lib.format.open_memmap(path, mode="r")
    except (
        Exception
    ) as error:  # a broken header fails in many ways inside numpy: ValueError, SyntaxError, OverflowError
        with open_file(path) as file:
            archive = file.read(2) == b"PK"
        why = "it is an archive (.npz) or zip file" if archive else str(error).strip().partition("\n")[0]
        raise FileError(
            f"{path} cannot be read: {why}.", "Store one plain array with numpy.save, or copy the file again."
        ) from error


def read_mat(path: Path, name: str) -> Array:
    """The numbers of one variable of a MATLAB file of any version, with the axes that MATLAB shows.

    Args:
        path: the file.
        name: the variable.

    Raises:
        FileError: the file is missing or damaged, has no such variable of numbers, or needs h5py (version 7.3).
    """
    with open_file(path) as file:
        head = file.read(max(HDF5_STARTS) + len(HDF5))
    newer = any(head.startswith(HDF5, start) for start in HDF5_STARTS)
    try:
        values = _read_newer(path, name) if newer else _read_older(path, name)
    except FileError:
        raise
    except Exception as error:  # a damaged file fails in many ways inside scipy and HDF5
        raise FileError(f"{path} cannot be read: {error}.", "Copy the file again.") from error
    if values is None or values.dtype.kind not in "uifb":
        raise FileError(f"{path} holds no {name} of numbers.", "Copy the file again.")
    return values


def _read_older(path: Path, name: str) -> Array | None:
    from scipy.io import loadmat

    with open_file(path) as file:
        values = loadmat(file, variable_names=[name]).get(name)
    return values if isinstance(values, np.ndarray) else None


def _read_newer(path: Path, name: str) -> Array | None:
    h5py = hdf5_library(path)
    with h5py.File(path, "r") as file:
        # A link into another file is none of this file's numbers.
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file[name], h5py.Dataset):
            return None
        dataset = file[name]
        if math.prod(dataset.shape) > MAX_PIXELS or dataset.external or dataset.is_virtual:
            raise FileError(f"{path}: {name} of shape {dataset.shape} is no array of this file.", "Copy it again.")
        return np.asarray(dataset).T  # HDF5 shows MATLAB's arrays with their axes reversed


def hdf5_library(path: Path) -> Any:
    """The package h5py.

    Raises:
        FileError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise FileError(
            f"Reading {path} (a MATLAB file of version 7.3) needs the package h5py.",
            "Install it with: pip install h5py (or ttt-bench[mat]).",
        ) from error
    return h5py
