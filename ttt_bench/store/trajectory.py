"""What one cell measured, and its file form: one ``.npz`` per cell (arrays plus a JSON header)."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.files import write_atomically
from ttt_bench.names import shown
from ttt_bench.store.cell_file import UPDATES, CellFile, reading

SCHEMA = 1
"""Raised whenever the meaning of a stored field changes; other schemas are refused on reading."""


@dataclass(frozen=True)
class Trajectory:
    """Everything one cell measured: raw sums per (batch, step, task), never finished scores."""

    cell_id: str
    cell: dict[str, Any]
    """The cell's settings: pair, method, options, protocol, recipe, training, seed, steps, batch_size, tasks, classes,
    ..., exactly as hashed into ``cell_id``."""
    provenance: dict[str, Any]
    """git sha, versions, device, fingerprints, checkpoint identity, start time, command."""
    eval_steps: tuple[int, ...]
    """Steps at which the target was scored; step k is after k updates, 0 is before any on this batch."""
    statistics: dict[str, npt.NDArray[Any]]
    """``task/statistic`` -> (batches, len(eval_steps), ...) sufficient statistics (layouts: each task's file)."""
    loss: npt.NDArray[Any]
    """(adapted batches, steps) the method's loss at each update; NaN where a method has none."""
    seconds: npt.NDArray[Any]
    """(adapted batches, steps) wall seconds of each update, evaluation excluded."""
    eval_seconds: npt.NDArray[Any]
    """(batches, len(eval_steps)) wall seconds of each evaluation forward and its scoring."""
    forwards: npt.NDArray[Any]
    """(adapted batches, steps) pixels pushed forward through the encoder / pixels of the batch."""
    backwards: npt.NDArray[Any]
    """Likewise backward."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Scalars: peak_memory_bytes, parameters_total, parameters_updated, collapsed_step (or null),
    collapse_reason, wall_seconds, source_scores (the source model's scores on held-out source images) and
    source_scores_after (what the stream has left of them, of streams that drift; else empty), both by
    metric id (fractions and SI units, as everywhere in the store)."""
    examples: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    """For the picture sheet, a few images of the last batch: ``image`` (n, H, W, 3) uint8, ``truth/<task>`` and
    ``prediction/<task>`` (last scored step; raw network outputs, float16) with the channel axis second."""

    @property
    def collapsed_step(self) -> int | None:
        """First step at which the method collapsed, or None."""
        step = self.summary.get("collapsed_step")
        return None if step is None else int(step)

    def save(self, path: Path) -> None:
        """Write the trajectory to ``path``, atomically."""
        header = {
            "schema": SCHEMA,
            "cell_id": self.cell_id,
            "cell": self.cell,
            "provenance": self.provenance,
            "eval_steps": list(self.eval_steps),
            "summary": self.summary,
        }
        arrays: dict[str, Any] = {
            "header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8),
            "loss": self.loss,
            "seconds": self.seconds,
            "eval_seconds": self.eval_seconds,
            "forwards": self.forwards,
            "backwards": self.backwards,
        }
        arrays |= {f"statistics/{key}": value for key, value in self.statistics.items()}
        arrays |= {f"examples/{key}": value for key, value in self.examples.items()}
        # Row by row, as the reader wants them, whatever slice or index they came from.
        rows = {key: np.asarray(value, order="C") for key, value in arrays.items()}
        write_atomically(path, lambda file: _write_arrays(file, rows))

    @classmethod
    def load(cls, path: Path, examples: bool = True) -> Trajectory:
        """Read a trajectory; ``examples=False`` leaves the pictures on disk.

        Raises:
            UserError: the file is missing, damaged or of another schema.
        """
        with CellFile(path) as file:
            header = file.header
            if header.schema != SCHEMA:
                raise other_schema(path, header.schema)
            file.check()
            wanted = [name for name in file.names if examples or not name.startswith("examples/")]
            arrays = {name: np.require(file.array(name), requirements="W") for name in wanted}
        found = cls(
            cell_id=header.cell_id,
            cell=header.cell,
            provenance=header.provenance,
            eval_steps=header.eval_steps,
            summary=header.summary,
            statistics=_below("statistics/", arrays),
            examples=_below("examples/", arrays),
            **{k: arrays[k] for k in (*UPDATES, "eval_seconds")},
        )
        with reading(path):
            _check_examples(found.examples)
        return found


def other_schema(path: Path, schema: object) -> UserError:
    """The message for a file of another version."""
    return UserError(
        f"{path} has schema {shown(schema)}, this version reads {SCHEMA}.",
        "Sweep into a new folder with --name, or delete the file to recompute it.",
    )


def _check_examples(examples: dict[str, npt.NDArray[Any]]) -> None:
    """See that pictures, truths and predictions are of the same images."""
    if not examples:
        return
    image = examples.get("image")
    if image is None or image.dtype != np.uint8 or image.ndim != 4 or image.shape[3] != 3 or not image.size:
        raise ValueError("its examples have no images")
    for name, values in examples.items():
        of_images = values.ndim <= 2  # what is said of a whole image is an id or a few numbers, not a map
        if values.ndim == 0 or len(values) != len(image):
            raise ValueError(f"examples/{name} is not of as many images as there are")
        if name != "image" and not of_images and values.shape[-2:] != image.shape[1:3]:
            raise ValueError(f"examples/{name} is not of the size of its images")


def _write_arrays(file: IO[bytes], arrays: dict[str, npt.NDArray[Any]]) -> None:
    """As ``np.savez_compressed``, at a level that takes half its time for files a fortieth larger."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(values), allow_pickle=False)


def _below(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)}


def read_examples(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The pictures of a stored trajectory, without its other arrays.

    Raises:
        UserError: the file is damaged or of another schema.
    """
    with CellFile(path) as file:
        if file.header.schema != SCHEMA:
            raise other_schema(path, file.header.schema)
        found = _below("examples/", {name: file.array(name) for name in file.names if name.startswith("examples/")})
    with reading(path):
        _check_examples(found)
    return found


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of a stored trajectory, without its arrays; for looking at thousands of them.

    Raises:
        UserError: the file is damaged.
    """
    with CellFile(path) as file:
        return file.header.summary


def read_seconds(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Wall seconds of updates and of evaluations of a stored trajectory, without its other arrays.

    Raises:
        UserError: the file is damaged.
    """
    with CellFile(path) as file:
        return file.array("seconds"), file.array("eval_seconds")
