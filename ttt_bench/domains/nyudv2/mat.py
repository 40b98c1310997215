"""The official ``nyu_depth_v2_labeled.mat``: 1449 frames of 480x640 with 894 classes. Needs h5py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ttt_bench.domains.pixels.arrays import hdf5_library, read_mat
from ttt_bench.domains.pixels.images import Array
from ttt_bench.domains.pixels.opening import exists, look_at
from ttt_bench.errors import UserError

MAPPING = "classMapping40.mat"
SPLIT = "splits.mat"


class MatFile:
    """The official file, with the mapping to 40 classes and the split beside it.

    Args:
        path: nyu_depth_v2_labeled.mat; classMapping40.mat (Gupta et al. 2013) and splits.mat (from the data set's
            page) lie in the same folder.

    Raises:
        UserError: h5py is not installed, or a file is missing or unreadable.
    """

    scale = 2

    def __init__(self, path: Path) -> None:
        look_at(path)
        h5py = hdf5_library(path)
        self._path = path
        self._to_40 = np.concatenate(([0], _numbers(path.with_name(MAPPING), "mapClass"))).astype(np.uint8)
        splits = {"train": "trainNdxs", "val": "testNdxs"}
        numbers = {split: _numbers(path.with_name(SPLIT), key) for split, key in splits.items()}
        try:
            self._file: Any = h5py.File(path, "r")
            self._images, self._depths, self._labels = (self._file[k] for k in ("images", "depths", "labels"))
        except (OSError, KeyError) as error:
            raise UserError(
                f"{path} cannot be read as nyu_depth_v2_labeled.mat: {error}.", "Copy the file again."
            ) from error
        count = len(self._images)
        for split, own in numbers.items():
            if not len(own) or own.min() < 1 or own.max() > count:
                self.close()
                raise UserError(
                    f"{path.with_name(SPLIT)}: {splits[split]} is not within 1..{count}.", "Copy the file again."
                )
        self.names = {split: [f"{number - 1:04}" for number in own] for split, own in numbers.items()}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def read(self, name: str) -> tuple[Array, Array, Array]:
        """Image (480, 640, 3), metres (480, 640) and ids 0..40 (480, 640) of a frame."""
        index = int(name)
        try:
            # HDF5 shows MATLAB's arrays with their axes reversed.
            image = np.asarray(self._images[index]).transpose(2, 1, 0)
            depth, labels = np.asarray(self._depths[index]).T, np.asarray(self._labels[index]).T
        except OSError as error:
            raise UserError(f"{self._path}: frame {index} cannot be read: {error}.", "Copy the file again.") from error
        if labels.max() >= len(self._to_40):
            raise UserError(
                f"{self._path}: frame {index} has class {labels.max()}; {MAPPING} knows {len(self._to_40) - 1}.",
                f"Get the {MAPPING} that belongs to the file.",
            )
        return image, depth.astype(np.float32), self._to_40[labels]


def _numbers(path: Path, key: str) -> Array:
    if not exists(path):
        raise UserError(
            f"{path} does not exist.",
            f"Put {MAPPING} (the 40 classes of Gupta, Arbelaez and Malik, CVPR 2013, in their released code) and "
            f"{SPLIT} (from the NYU Depth V2 page) beside the .mat file.",
        )
    try:
        return read_mat(path, key).ravel().astype(np.int64)
    except UserError as error:
        raise UserError(f"{path} holds no {key}: {error.message}", "Copy the file again.") from error
