"""From stored cells to runs: each is read, reduced to what tables and figures need, and let go at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from ttt_bench.cell.spec import TRIAL
from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.metrics.signals import PREFIX
from ttt_bench.names import pieces, shown
from ttt_bench.report.reduction import Pooling, Reduced, reduce_statistic, window_starts
from ttt_bench.report.runs import Run, segment_lengths
from ttt_bench.report.sharing import can_share, shared
from ttt_bench.store.cell_file import CellFile, reading
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import SCHEMA, other_schema
from ttt_bench.tasks import TASKS

Array = npt.NDArray[np.float64]
Progress = Callable[[int, int, str], None]
"""Called with (done, total, what)."""
CHUNK = 16
"""Cells that a process takes at a time, where several read."""
WORTH_A_POOL = 400
"""Fewer cells than this are read about as fast as processes start."""


def load_runs(
    folder: Path, progress: Progress | None = None, budget: float | None = None, workers: int = 1
) -> tuple[list[Run], list[str]]:
    """Read every ``folder/cells/*.npz`` but the trials of settings, which stand in no table.

    Each is read up to the last scored step within ``budget`` where one is given; with several ``workers`` so many
    processes read many cells, to the same result.

    Returns:
        The readable runs in the order of their file names, and one warning line per file that is not.

    Raises:
        UserError: there is nothing to read, nothing that can be read, or a process that read died.
    """
    paths = sorted((folder / "cells").glob("[!.]*.npz"))
    failed = len(SweepFolder(folder).failed())
    if not paths:
        raise UserError(
            f"{folder} holds no finished cell" + (f", but {failed} failed ones." if failed else "."),
            "`python -m ttt_bench status` says why; run the sweep again to retry them."
            if failed
            else "Run a sweep first: python -m ttt_bench sweep.",
        )
    runs: list[Run] = []
    warnings = [f"{pieces(failed)} failed; cells that need it are missing here. `status` says why."] if failed else []
    chunks: dict[int, list[Run | UserError | None]] = {}
    done = 0
    for number, chunk in _read_all(paths, budget, workers):
        chunks[number], done = chunk, done + len(chunk)
        if progress is not None:
            progress(done, len(paths), "reading trajectories")
    for found in (each for number in sorted(chunks) for each in chunks[number]):
        if isinstance(found, UserError):
            warnings.append(left_out(found, folder))
        elif found is not None:
            runs.append(found)
    runs, copies = without_copies(runs)
    warnings += copies
    if not runs and not warnings:
        raise UserError(
            f"{folder} holds trials of settings, and no finished cell beside them.",
            "Run the sweep again: it goes on. What `select` tried is reported by `select`.",
        )
    if not runs:
        raise UserError(
            f"None of the {len(paths)} cells in {folder} can be read; the last: {warnings[-1]}",
            "Delete the damaged files and run the sweep again; only those cells are redone.",
        )
    return runs, warnings


def _read_all(
    paths: Sequence[Path], budget: float | None, workers: int
) -> Iterator[tuple[int, list[Run | UserError | None]]]:
    """What ``_Reading`` makes of each chunk, with its number, in no particular order."""
    if not can_share(workers) or len(paths) < WORTH_A_POOL:
        alone = _Reading(paths, budget, size=1)
        yield from ((number, alone.chunk(number)) for number in range(len(paths)))
        return
    reading, count = _Reading(paths, budget, CHUNK), -(-len(paths) // CHUNK)
    try:
        yield from shared(count, reading.chunk, workers - 1)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that read cells died (out of memory, or killed).",
            "Run it again; with OMP_NUM_THREADS=1 a single process reads, and needs less memory.",
        ) from error


@dataclass(frozen=True)
class _Reading:
    """Files to read, a chunk at a time."""

    paths: Sequence[Path]
    budget: float | None
    size: int
    """Of a chunk."""

    def chunk(self, number: int) -> list[Run | UserError | None]:
        """Of each path in chunk ``number`` its run, None of a trial, or why it cannot be read."""
        found: list[Run | UserError | None] = []
        for path in self.paths[number * self.size : (number + 1) * self.size]:
            try:
                found.append(read_run(path, trials=False, budget=self.budget))
            except UserError as error:
                found.append(error)
        return found


def left_out(error: UserError, folder: Path) -> str:
    """A warning about a file that cannot be read.

    It is named as it is called in the folder: a report may be published, where the folder lies is nobody's business.
    """
    return shown(f"Skipped {error.message} {error.hint}".replace(f"{folder}/", ""))


def without_copies(runs: Iterable[Run]) -> tuple[list[Run], list[str]]:
    """One run of each cell, and a warning per further file of it: a copy is not another seed."""
    kept: dict[str, Run] = {}
    warnings = []
    # The file that has the cell's name counts, whichever was copied from which.
    for run in sorted(runs, key=lambda run: (run.path.stem != run.cell_id, run.path.name)):
        same = kept.setdefault(canonical(run.cell), run)
        if same is not run:
            warnings.append(
                shown(f"Left out cells/{run.path.name}: it is of the same cell as cells/{same.path.name}. Delete one.")
            )
    return sorted(kept.values(), key=lambda run: run.path.name), warnings


@overload
def read_run(path: Path) -> Run: ...


@overload
def read_run(path: Path, trials: bool, budget: float | None = None) -> Run | None: ...


def read_run(path: Path, trials: bool = True, budget: float | None = None) -> Run | None:
    """Read one trajectory and reduce it; in memory stands at most one statistic, of a large one a part.

    Args:
        path: of the file.
        trials: whether a trial of settings is read; None comes back for one otherwise.
        budget: read up to the last scored step within so much work, see ``work_until``; None: to the end.

    Raises:
        UserError: the file is damaged, of another schema, or lacks what a cell must have.
    """
    with CellFile(path) as file:
        if file.header.schema != SCHEMA:
            raise other_schema(path, file.header.schema)
        missing = {"pair", "method", "seed"} - file.header.cell.keys()
        if missing or not file.header.eval_steps:
            what = f"no {', '.join(sorted(missing))} in its cell" if missing else "no evaluated step"
            raise UserError(f"{path} is not a finished cell ({what}).", "Delete it and run the sweep again.")
        if not trials and file.header.cell.get("recipe") == TRIAL:
            return None
        file.check()
        with reading(path):
            return _reduce(file, budget)


def _reduce(file: CellFile, budget: float | None) -> Run:
    header = file.header
    stored = {name.removeprefix("statistics/") for name in file.names if name.startswith("statistics/")}
    metrics = [m for task in TASKS.values() for m in task.metrics if m.statistic in stored]
    segments = segment_lengths(header.cell)
    online = header.cell.get("protocol") == "online"
    windows = window_starts(file.shape("eval_seconds")[0], segments) if online else None
    spent = work_until(header.eval_steps, file.array("forwards"), file.array("backwards"))
    # A hair above the budget, by rounding of sums, is within it; step 0 costs nothing.
    columns = len(spent) if budget is None else max(int((spent <= budget + 1e-9).sum()), 1)
    pooling = Pooling(windows, columns, segments)
    reduced: dict[str, Reduced] = {}
    # A diverged network leaves inf in its sums; its scores are NaN, which the report shows as such.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for statistic in dict.fromkeys(m.statistic for m in metrics):
            of = [metric for metric in metrics if metric.statistic == statistic]
            reduced |= reduce_statistic(file, f"statistics/{statistic}", of, pooling)
        pooled = {m.statistic: reduced[m.id].pooled for m in metrics}
        notes = tuple(note for task in TASKS.values() for note in task.notes(pooled))
    return Run(
        path=file.path,
        cell_id=header.cell_id,
        cell=header.cell,
        provenance=header.provenance,
        summary=header.summary,
        steps=np.asarray(header.eval_steps[:columns], dtype=np.float64),
        values={m.id: reduced[m.id].values for m in metrics},
        notes=notes,
        stream={m.id: reduced[m.id].stream for m in metrics},
        window={} if windows is None else {m.id: reduced[m.id].window for m in metrics},
        window_ends=np.empty(0) if windows is None else (windows.starts + windows.width).astype(np.float64),
        segments={m.id: reduced[m.id].segments for m in metrics},
        sums={m.id: reduced[m.id].sums for m in metrics if m.additive},
        signals={
            name: np.asarray(file.array(f"statistics/{name}"), dtype=np.float64)[:, :columns].sum(0)[None]
            for name in stored
            if name.startswith(PREFIX)
        },
        loss=_mean_over_batches(np.asarray(file.array("loss"), dtype=np.float64))[
            : max(header.eval_steps[columns - 1], 1) if budget else None
        ],
        seconds=_median(file.array("seconds")),
        eval_seconds=_median(file.array("eval_seconds")),
        forwards=_mean(file.array("forwards")),
        backwards=_mean(file.array("backwards")),
        spent=spent[:columns],
        pictured=any(name.startswith("examples/") for name in file.names),
    )


def _mean_over_batches(loss: Array) -> Array:
    known = np.isfinite(loss)
    count = known.sum(axis=0)
    total = np.where(known, loss, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _median(seconds: npt.ArrayLike) -> float:
    finite = np.asarray(seconds, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if finite.size else float("nan")


def _mean(counts: npt.ArrayLike) -> float:
    finite = np.asarray(counts, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else float("nan")


def work_until(steps: Sequence[int], forwards: npt.ArrayLike, backwards: npt.ArrayLike) -> Array:
    """What the updates up to each of ``steps`` cost, per adapted image: forwards + 2 x backwards.

    Args:
        steps: adaptation steps, increasing.
        forwards: (adapted batches, updates) pixels pushed through the encoder by each, in images of the batch.
        backwards: likewise back.

    Returns:
        (steps,), mean over the batches that were adapted on. 1 is one forward of the image.
    """
    work = _mean_over_batches(np.asarray(forwards, np.float64) + 2 * np.asarray(backwards, np.float64))
    return np.array([0.0, *np.cumsum(work)])[np.minimum(np.asarray(steps, dtype=np.int64), len(work))]
