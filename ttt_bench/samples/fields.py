"""How samples are stored: one array for the images and one for each task's labels. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Sample
from ttt_bench.tasks import TASKS, get_task

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Field:
    """How one part of a sample is stored."""

    dtype: str
    shape: tuple[int, ...]


def fields_of(domain: Domain) -> dict[str, Field]:
    """The stored fields of ``domain``: the image (H, W, 3) and its tasks' labels."""
    labels = {name: get_task(name).label for name in TASKS if name in domain.tasks}
    return {
        "image": Field("|u1", (*domain.size, 3)),
        **{name: Field(label.dtype, label.shape(domain.size)) for name, label in labels.items()},
    }


def pack(sample: Sample, domain: Domain) -> dict[str, Array]:
    """A sample in stored form; uncached reads go through it too, so a cache never changes a number."""
    return {
        name: (sample.image if name == "image" else sample.labels[name]).astype(field.dtype)
        for name, field in fields_of(domain).items()
    }


def mapped(folder: Path, domain: Domain) -> dict[str, Array]:
    """The arrays in ``folder``, mapped for writing."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in fields_of(domain)}
