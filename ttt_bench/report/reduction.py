"""A cell's statistics, reduced to scores: over the whole target, of each batch, and along the stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from ttt_bench.store.cell_file import CellFile
from ttt_bench.tasks import Metric

Array = npt.NDArray[np.float64]

STREAM_WINDOWS = 8
"""Curves along the stream pool a trailing window of 1/8 of it: one batch has too few classes for an mIoU."""
MOST_POSITIONS = 200
"""Windows along the stream; a figure's width shows no more, and one per batch would take quadratic time."""
LARGE = 32 * 2**20
"""Bytes of a statistic above which it is read in parts."""
MOST_GROUPS, LEAST_GROUPS = 512, 16
"""Groups of consecutive batches that intervals resample."""
GROUP_BYTES = 2**20
"""Of one statistic's groups: a folder holds thousands of cells, and all of them are kept."""
TOGETHER = 4 * 2**20
"""Bytes of batches that are gathered to score several spans in one call."""


@dataclass(frozen=True)
class Windows:
    """Which batches each point along the stream pools."""

    starts: npt.NDArray[np.int64]
    """(positions,) first batch of each."""
    width: int
    """Batches in each."""

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """(first batch, batch after the last) of each."""
        return tuple((first, first + self.width) for first in self.starts.tolist())


@dataclass(frozen=True)
class Pooling:
    """Over which batches, beside all and each, a metric is scored."""

    windows: Windows | None = None
    """Along the stream; None where its order means nothing."""
    columns: int | None = None
    """How many of the scored steps are read; None: all."""
    segments: tuple[int, ...] = ()
    """Batches of each segment of the stream; empty in a stream without."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first batch, batch after the last) of each segment."""
        ends = list(accumulate(self.segments))
        return list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []


@lru_cache(maxsize=64)
def window_starts(batches: int, segments: tuple[int, ...] = ()) -> Windows:
    """Windows of an eighth of the stream: one ends at every batch, or at ``MOST_POSITIONS`` of a longer stream.

    With segments none reaches over a border, and none is longer than the shortest segment.
    """
    lengths = segments or (batches,)
    width = max(1, min(-(-batches // STREAM_WINDOWS), *lengths)) if batches else 1
    inside = [first + np.arange(max(end - first - width + 1, 0)) for first, end in Pooling(segments=lengths).spans]
    places = np.concatenate(inside).astype(np.int64)
    every = np.linspace(0, len(places) - 1, min(len(places), MOST_POSITIONS))
    starts = places[np.unique(np.rint(every).astype(np.int64))]
    starts.setflags(write=False)  # thousands of cells have the same
    return Windows(starts, width)


@dataclass(frozen=True)
class Reduced:
    """What is kept of one metric of one cell."""

    values: Array
    """(steps,) over the whole target."""
    stream: Array
    """(batches, 2) of each batch alone, at the first and at the last step."""
    window: Array
    """(positions, 2) likewise of each window; none without windows."""
    segments: Array
    """(segments, 2) likewise over each segment."""
    pooled: Array
    """(1, steps, ...) the statistic itself, summed over the batches."""
    sums: Array
    """(groups, 2, ...) of it, over each group of consecutive batches, at the first and at the last step."""


def grouping(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """(batches,) which group each batch of a statistic (batches, steps, ...) belongs to.

    Every batch is its own group up to ``MOST_GROUPS`` and ``GROUP_BYTES``; beyond, groups are as equal as they can be.
    """
    each = 2 * 8 * int(np.prod(shape[2:], dtype=np.int64))
    groups = min(shape[0], MOST_GROUPS, max(LEAST_GROUPS, GROUP_BYTES // max(each, 1)))
    return np.arange(shape[0], dtype=np.int64) * groups // max(shape[0], 1)


def reduce_statistic(file: CellFile, name: str, metrics: Sequence[Metric], pooling: Pooling) -> dict[str, Reduced]:
    """Every metric of one stored statistic.

    A large statistic whose batches may be added up before they are scored is read in parts, in linear time; sums of
    counts come out the same to the bit.

    Args:
        file: the cell.
        name: of the array, (batches, steps, ...).
        metrics: what is computed from it.
        pooling: over which batches they are scored.

    Raises:
        ValueError: a score does not have the form that it must have, so the array cannot be what its name says.
    """
    shape = file.shape(name)
    if pooling.segments and sum(pooling.segments) != shape[0]:
        raise ValueError(f"{name} has {shape[0]} batches, its segments {sum(pooling.segments)}")
    size = int(np.prod(shape, dtype=np.int64)) * 8
    if size > LARGE and all(metric.additive for metric in metrics):
        rows = max(1, shape[0] * LARGE // size)
        blocks = (part[:, : pooling.columns] for part in file.blocks(name, rows))
        parts: Iterator[Array] = (np.asarray(part, dtype=np.float64) for part in blocks)
        found = _in_parts(parts, metrics, pooling, grouping(shape))
    else:
        found = _at_once(np.asarray(file.array(name)[:, : pooling.columns], dtype=np.float64), metrics, pooling)
    for id, reduced in found.items():
        if reduced.values.shape != (
            shape[1] if pooling.columns is None else pooling.columns,
        ) or reduced.stream.shape != (shape[0], 2):
            raise ValueError(f"{name} has the shape {shape}, of which {id} cannot be computed")
    return found


def _at_once(statistic: Array, metrics: Sequence[Metric], pooling: Pooling) -> dict[str, Reduced]:
    ends, pooled = statistic[:, [0, -1]], statistic.sum(0)[None]
    starts = _group_starts(statistic.shape)
    # With each batch in a group of its own there is nothing to add up.
    sums = np.ascontiguousarray(ends) if len(starts) == len(ends) else np.add.reduceat(ends, starts, axis=0)
    windows = () if pooling.windows is None else pooling.windows.spans
    found = {}
    for metric in metrics:
        if not metric.additive:
            values, stream = metric.compute(statistic), _each_batch(metric, ends)
            window, segments = (over_spans(metric, ends, spans) for spans in (windows, pooling.spans))
            found[metric.id] = Reduced(values, stream, window, segments, pooled, sums)
    additive = [metric for metric in metrics if metric.additive]
    if additive:
        rows = [
            pooled[0],
            *(_by_end(each) for each in (ends, span_sums(ends, windows), span_sums(ends, pooling.spans))),
        ]
        # Added up, all are scored in one call, in the place of steps.
        together, ends_at = np.concatenate(rows)[None], list(accumulate(len(part) for part in rows))
        for metric in additive:
            scores = metric.compute(together)
            if scores.shape != (ends_at[-1],):
                raise ValueError(
                    f"its statistic has the shape {statistic.shape}, of which {metric.id} cannot be computed"
                )
            parts = (scores[start:end] for start, end in pairwise(ends_at))
            values, (stream, window, segments) = scores[: ends_at[0]], map(_both_ends, parts)
            found[metric.id] = Reduced(values, stream, window, segments, pooled, sums)
    return found


def _by_end(ends: Array) -> Array:
    """(n, 2, ...) at the first and at the last step -> (2 n, ...), the first step's before the last's."""
    return ends.swapaxes(0, 1).reshape(2 * len(ends), *ends.shape[2:])


def _both_ends(scores: Array) -> Array:
    """Scores (2 n,) of what ``_by_end`` made -> (n, 2)."""
    return np.ascontiguousarray(scores.reshape(2, -1).T)


@lru_cache(maxsize=64)
def _group_starts(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """(groups,) first batch of each; thousands of cells have the same."""
    starts: npt.NDArray[np.int64] = np.unique(grouping(shape), return_index=True)[1]
    return starts


def over_spans(metric: Metric, ends: Array, spans: Sequence[tuple[int, int]]) -> Array:
    """A metric over spans of batches, equal to the bit to one call for each.

    It maps (batches, steps, ...) to (steps,), so spans of the same length go in together, in the place of steps.

    Args:
        metric: of the statistic.
        ends: (batches, 2, ...) the statistic at the first and at the last step.
        spans: (first batch, batch after the last) of each.

    Returns:
        (spans, 2).
    """
    found = np.empty((len(spans), 2))
    for some, batches in _gathered(ends, spans):
        found[some] = metric.compute(batches).reshape(2, -1).T
    return found


def span_sums(ends: Array, spans: Sequence[tuple[int, int]]) -> Array:
    """(spans, 2, ...) what lies within each span of batches, added up; arguments as for ``over_spans``."""
    found = np.empty((len(spans), *ends.shape[1:]))
    for some, batches in _gathered(ends, spans):
        found[some] = batches.sum(0).reshape(2, len(some), *ends.shape[2:]).swapaxes(0, 1)
    return found


def _gathered(ends: Array, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[npt.NDArray[np.int64], Array]]:
    """Places of spans that have the same length, and their batches (length, 2 x places, ...), first step first."""
    by_end = ends.swapaxes(0, 1)
    for alike, batches in _alike(tuple(spans)):
        length = batches.shape[1]
        few = max(1, TOGETHER // max(length * ends[:1].nbytes, 1))
        for start in range(0, len(alike), few):
            some = alike[start : start + few]
            # A span's batches lie together in memory, as they do in ``ends``: in which order a sum adds depends on it.
            gathered = np.ascontiguousarray(by_end[:, batches[start : start + few]])
            yield some, gathered.reshape(2 * len(some), length, *ends.shape[2:]).swapaxes(0, 1)


@lru_cache(maxsize=64)
def _alike(
    spans: tuple[tuple[int, int], ...],
) -> tuple[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], ...]:
    """For each length of spans their places and (places, length) their batches; thousands of cells have the same."""
    lengths = np.array([end - first for first, end in spans], dtype=np.int64)
    found = []
    for length in dict.fromkeys(lengths.tolist()):
        places = np.flatnonzero(lengths == length)
        found.append((places, np.array([spans[place][0] for place in places])[:, None] + np.arange(length)))
    return tuple(found)


def _in_parts(
    parts: Iterator[Array], metrics: Sequence[Metric], pooling: Pooling, groups: npt.NDArray[np.int64]
) -> dict[str, Reduced]:
    windows = () if pooling.windows is None else pooling.windows.spans
    edges = {edge for span in (*windows, *pooling.spans) for edge in span}
    total: Array | None = None
    running: Array | None = None
    sums: dict[int, Array] = {}
    grouped: Array | None = None
    streams: dict[str, list[Array]] = {metric.id: [] for metric in metrics}
    seen = 0
    for part in parts:
        ends = part[:, [0, -1]]
        total = part.sum(0) if total is None else total + part.sum(0)
        running = np.zeros(ends.shape[1:]) if running is None else running
        grouped = np.zeros((groups[-1] + 1, *ends.shape[1:])) if grouped is None else grouped
        np.add.at(grouped, groups[seen : seen + len(part)], ends)
        for metric in metrics:
            streams[metric.id].append(_each_batch(metric, ends))
        done = 0
        for edge in sorted(edge for edge in edges if seen <= edge <= seen + len(part)):
            running = running + ends[done : edge - seen].sum(0)
            done = edge - seen
            sums[edge] = running
        running = running + ends[done:].sum(0)
        seen += len(part)
    assert total is not None and grouped is not None  # noqa: PT018
    found = {}
    for metric in metrics:
        window, segments = (
            np.array([metric.compute((sums[end] - sums[first])[None]) for first, end in spans]).reshape(len(spans), 2)
            for spans in (windows, pooling.spans)
        )
        values, stream = metric.compute(total[None]), np.concatenate(streams[metric.id])
        found[metric.id] = Reduced(values, stream, window, segments, total[None], grouped)
    return found


def _each_batch(metric: Metric, ends: Array) -> Array:
    # A metric maps (batches, steps, ...) to (steps,): with one batch and the stream in the place of the steps
    # it scores every batch alone in one call.
    return _both_ends(metric.compute(_by_end(ends)[None]))
