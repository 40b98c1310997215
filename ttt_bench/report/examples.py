"""The pictures that a cell kept: read again when they are shown, and painted. No matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.report.groups import Row
from ttt_bench.report.scoring import Scored
from ttt_bench.store.trajectory import read_examples
from ttt_bench.tasks import Task
from ttt_bench.tasks.contract import Picture
from ttt_bench.tasks.paint import limits, paint_prediction, paint_truth

Examples = Mapping[str, npt.NDArray[Any]]
"""``image``, ``truth/<task>`` and ``prediction/<task>`` of some images of the last batch."""


def pictures_of(row: Row) -> tuple[Scored | None, Examples]:
    """The run whose pictures stand for a row, with them; None and nothing where none were kept."""
    # The first seed that did not collapse; its file is read again, since pictures are not kept in memory.
    for scored in row.survivors:
        if scored.run.pictured:
            return scored, read_examples(scored.run.path)
    return None, {}


def words_of(task: Task, truth: Examples, examples: Examples | None, classes: Sequence[str]) -> str:
    """What is said of the whole image: the truth, or what was predicted."""
    if task.extent == "map":
        return ""
    if examples is None:
        return task.words(np.asarray(truth[f"truth/{task.name}"][0], dtype=np.float64).reshape(-1), classes)
    output = np.asarray(examples[f"prediction/{task.name}"][0], dtype=np.float64)
    return task.words(task.shown(output), classes) if np.isfinite(output).all() else "not finite"


def painted(task: Task, truth: Examples, examples: Examples | None) -> Picture | None:
    """A map as a picture; of what is said of the whole image, the image itself. None: there is nothing to show."""
    if task.extent == "image":
        shown: Picture = truth["image"][0]
        return shown if examples is None or f"prediction/{task.name}" in examples else None
    label = truth[f"truth/{task.name}"][0]
    scale = limits(label)
    if examples is None:
        return paint_truth(task, label, scale)
    output = examples.get(f"prediction/{task.name}")
    return None if output is None else paint_prediction(task, output[0], label, scale)
