"""A trajectory reduced to what tables and figures need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.names import shown
from ttt_bench.tasks import TASKS, Metric

Array = npt.NDArray[np.float64]
BASE, BN = "base", "bn"
"""The two controls: nothing at all, and the same forwards without a gradient."""

_BLOCK = ("protocol", "recipe", "training", "size", "stream")
_NAMED = (
    "pair",
    "source",
    "target",
    "method",
    "options",
    "changed",
    "choice",
    "seed",
    "first_batch",
    "segments",
    *_BLOCK,
)
"""Settings with a place of their own."""

_TRAINED = ("checkpoint", "branch")
"""Identities of what was trained for the run: they follow from seed, method and the other settings."""

_SCHEDULE = ("steps", "eval_steps")
"""How far a run went; its step 0 does not depend on it."""


@dataclass(frozen=True)
class Block:
    """What a table never mixes."""

    protocol: str
    recipe: str
    training: str
    size: str
    stream: str = "iid"

    @property
    def title(self) -> str:
        """For headings."""
        size = f", {self.size}" if self.size else ""
        stream = "" if self.stream == "iid" else f", stream {self.stream}"
        return f"protocol {self.protocol}{stream}, recipe {self.recipe}, {self.training} training{size}"

    @property
    def parts(self) -> tuple[str, ...]:
        """For names of files."""
        stream = () if self.stream == "iid" else (self.stream,)
        return (self.protocol, *stream, self.recipe, self.training, self.size)


@dataclass(frozen=True)
class Run:
    """One cell's trajectory in numbers."""

    path: Path
    cell_id: str
    cell: dict[str, Any]
    provenance: dict[str, Any]
    summary: dict[str, Any]
    steps: Array
    """(steps,) adaptation step of each evaluation."""
    values: dict[str, Array]
    """Metric id -> (steps,) over the whole target set."""
    notes: tuple[str, ...]
    """What its tasks say about the target's labels."""
    stream: dict[str, Array]
    """Metric id -> (batches, 2) of each batch alone, at the first and at the last recorded step."""
    window: dict[str, Array]
    """Metric id -> (positions, 2) pooled over a trailing window of batches; only of ``online`` runs."""
    window_ends: Array
    """(positions,) batches seen at the end of each window."""
    segments: dict[str, Array]
    """Metric id -> (segments, 2) over each segment of the stream, at the first and at the last recorded step."""
    sums: dict[str, Array]
    """Metric id -> (groups, 2, ...) its statistic over groups of consecutive batches, at the first and at the last
    recorded step; only of metrics that may be scored on sums over batches."""
    signals: dict[str, Array]
    """Name -> (1, steps, ...) sums over the target of what was recorded without a label (``metrics.signals``)."""
    loss: Array
    """(updates,) the method's own loss, mean over the batches; NaN where it has none."""
    seconds: float
    """Median wall seconds of one update; NaN without updates."""
    eval_seconds: float
    """Median wall seconds of one evaluation forward."""
    forwards: float
    """Mean per update, in batches."""
    backwards: float
    spent: Array
    """(steps,) work of the updates up to each evaluation: see ``loading.work_until``."""
    pictured: bool = False
    """Whether the cell kept pictures."""

    @cached_property
    def block(self) -> Block:
        """Protocol, recipe, training and size."""
        protocol, recipe, training = (shown(self.cell.get(key) or "") for key in _BLOCK[:3])
        return Block(protocol, recipe, training, _size(self.cell.get("size")), shown(self.cell.get("stream") or "iid"))

    @cached_property
    def segment_names(self) -> tuple[str, ...]:
        """Of each segment of the stream, with its place, as one may come again; empty in a stream without."""
        parts = self.cell.get("segments") or []
        return tuple(f"{place} {shown(part['name'])}" for place, part in enumerate(parts, start=1))

    @cached_property
    def segment_of(self) -> npt.NDArray[np.int64]:
        """(batches,) the segment that each batch is of; empty in a stream without."""
        lengths = segment_lengths(self.cell)
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def pair(self) -> str:
        """``source->target``."""
        return shown(self.cell["pair"]).replace(" ", "").replace("→", "->")

    @cached_property
    def method(self) -> str:
        """The method's name."""
        return shown(self.cell["method"])

    @property
    def options(self) -> dict[str, Any]:
        """Options of the method."""
        return dict(self.cell.get("options") or {})

    @property
    def asked(self) -> dict[str, Any]:
        """Options that were asked for: without those that a strategy chose, which may differ from seed to seed."""
        choice = self.cell.get("choice")
        chosen = choice.get("settings", ()) if isinstance(choice, dict) else ()
        return {key: value for key, value in self.options.items() if key not in chosen}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings of the cell that have no place of their own."""
        return {key: value for key, value in self.cell.items() if key not in (*_NAMED, *_TRAINED)}

    @cached_property
    def row(self) -> str:
        """Runs that differ in nothing but the seed share it."""
        return canonical([self.method, self.asked, self.settings])

    @cached_property
    def replicate(self) -> str:
        """The seed, with whatever counts as part of it."""
        return canonical([self.cell.get("seed"), self.cell.get("first_batch")])

    @cached_property
    def surroundings(self) -> str:
        """What must be equal for two runs to have scored the same images in the same way."""
        shared = {key: value for key, value in self.settings.items() if key not in _SCHEDULE}
        return canonical([shared, self.replicate])

    @property
    def latency(self) -> float:
        """Seconds per image: its share of the updates up to the last step, and of one prediction."""
        images = self.cell.get("batch_size") or 0
        updates = self.seconds * self.steps[-1] if np.isfinite(self.seconds) else 0.0  # NaN: there were none
        return float((updates + self.eval_seconds) / images) if images else float("nan")

    @property
    def collapsed_step(self) -> int | None:
        """First step at which the method collapsed, or None."""
        step = self.summary.get("collapsed_step")
        return None if step is None else int(step)


def segment_lengths(cell: dict[str, Any]) -> tuple[int, ...]:
    """Batches of each segment of a cell's stream; nothing for a stream without."""
    return tuple(int(part["batches"]) for part in cell.get("segments") or ())


def _size(size: object) -> str:
    if size is None:
        return ""
    return "x".join(str(n) for n in size) if isinstance(size, (list, tuple)) else shown(size)


def chosen_metrics(ids: Iterable[str] | None) -> dict[str, Metric]:
    """Task -> the metric that enters Delta: its first, unless one of ``ids`` is of that task.

    Raises:
        UserError: an id is unknown, or two are of the same task.
    """
    from ttt_bench.tasks import metric_by_id

    chosen: dict[str, Metric] = {}
    for metric in map(metric_by_id, ids or ()):
        if metric.task in chosen:
            raise UserError(
                f"--metrics names {chosen[metric.task].id} and {metric.id}, both of {metric.task}.",
                "Delta takes one metric per task.",
            )
        chosen[metric.task] = metric
    return {name: chosen.get(name, task.metric) for name, task in TASKS.items()}
