"""Everything measured in long form (``trajectories.parquet``, ``stream.parquet``), and the summary of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ttt_bench.files import write_atomically, write_text
from ttt_bench.identity import canonical
from ttt_bench.metrics import gains
from ttt_bench.report.columns import CELL_COLUMNS, STREAM_COLUMNS, TRAJECTORY_COLUMNS, columns_text
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.scoring import Scored
from ttt_bench.tasks import metric_by_id

ENDS = ("first", "last")
"""Of the recorded steps, for ``stream.parquet``."""
_PROVENANCE = {
    "git_sha": "git_sha",
    "torch_version": "versions.torch",
    "device": "device",
    "source_fingerprint": "source_fingerprint",
    "target_fingerprint": "target_fingerprint",
    "checkpoint": "checkpoint",
}


@dataclass(frozen=True)
class Cells:
    """Every cell of a report once, with the columns that both frames say of it."""

    scored: tuple[Scored, ...]
    columns: pd.DataFrame
    """(cells,) see ``CELL_COLUMNS``."""


def cells_of(groups: Sequence[Group]) -> Cells:
    """The cells of all tables; a borrowed base stands in two tables but is one cell."""
    unique = {s.run.cell_id: s for g in groups for r in g.rows for s in r.runs if s.run.block == g.block}
    columns = pd.DataFrame([_cell_columns(scored) for scored in unique.values()], columns=list(CELL_COLUMNS))
    columns["collapsed_step"] = columns["collapsed_step"].astype("Int64")
    return Cells(tuple(unique.values()), columns)


def trajectory_frame(cells: Cells) -> pd.DataFrame:
    """One row per (cell, step, metric): see ``TRAJECTORY_COLUMNS``."""
    return _frame(cells, _trajectory_block, TRAJECTORY_COLUMNS)


def stream_frame(cells: Cells) -> pd.DataFrame:
    """One row per (cell, batch, first or last step, metric): see ``STREAM_COLUMNS``."""
    names = sorted({name for scored in cells.scored for name in scored.run.segment_names})
    frame = _frame(cells, partial(_stream_block, names=names), STREAM_COLUMNS)
    frame["segment"] = pd.Categorical.from_codes(frame["segment"], categories=pd.Index(names, dtype=object))
    return frame


def write_frames(groups: Sequence[Group], folder: Path, beside: Executor) -> list[Future[Path]]:
    """Write both frames as parquet, and ``columns.md``; ``beside`` packs them, which leaves this thread free."""
    cells = cells_of(groups)

    def write(name: str, frame: pd.DataFrame) -> Path:
        path = folder / f"{name}.parquet"
        write_atomically(path, partial(frame.to_parquet, index=False))
        return path

    def describe() -> Path:
        path = folder / "columns.md"
        write_text(path, columns_text())
        return path

    return [
        beside.submit(write, "trajectories", trajectory_frame(cells)),
        beside.submit(write, "stream", stream_frame(cells)),
        beside.submit(describe),
    ]


def summary_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """One row per row of the main tables, every measure as ``<key>_mean`` and ``<key>_sd``."""
    rows: list[dict[str, Any]] = []
    for group in groups:
        for row in group.rows:
            found: dict[str, Any] = {
                "pair": group.pair,
                "protocol": group.block.protocol,
                "stream": group.block.stream,
                "recipe": group.block.recipe,
                "training": group.block.training,
                "size": group.block.size,
                "label": row.label,
                "method": row.method,
                "n": len(row.survivors),
                "collapsed": len(row.collapsed_steps),
                "collapsed_steps": " ".join(map(str, row.collapsed_steps)),
            }
            keys = dict.fromkeys(key for scored in row.survivors for key in scored.measures)
            for key in keys:
                found[f"{key}_mean"], found[f"{key}_sd"] = row.mean(key), row.sd(key)
            rows.append(found | _certainty(group, row))
    return pd.DataFrame(rows)


def _certainty(group: Group, row: Row) -> dict[str, Any]:
    known = group.uncertainty.rows.get(row.label)
    if known is None:
        return {}
    found: dict[str, Any] = {"last/delta_low": known.delta.low, "last/delta_high": known.delta.high}
    if known.over_bn is not None:
        found |= {"last/delta_bn_low": known.over_bn.low, "last/delta_bn_high": known.over_bn.high}
    return found | {"p_holm": known.p_holm, "seeds_needed": known.seeds_needed, "tied": known.tied}


@dataclass(frozen=True)
class Block:
    """The rows of one cell: those of its first metric, then those of the next."""

    same: dict[str, npt.NDArray[Any]]
    """Column -> (rows of a metric,), the same for each metric."""
    rows: dict[str, Sequence[npt.NDArray[Any]]]
    """Column -> (rows of a metric,) for each metric."""
    metrics: dict[str, Sequence[Any]]
    """Column -> one entry per metric, for all of its rows."""
    each: int
    """Rows per metric."""


def _frame(cells: Cells, block: Callable[[Scored], Block], columns: Mapping[str, str]) -> pd.DataFrame:
    blocks = [block(scored) for scored in cells.scored]
    metrics = pd.DataFrame({name: [v for b in blocks for v in b.metrics[name]] for name in blocks[0].metrics})
    named = [len(b.metrics["metric"]) for b in blocks]
    each = np.repeat([b.each for b in blocks], named).astype(np.int64)
    # What repeats is told once and repeated as a number: millions of rows in a fraction of a second, in little memory.
    of_metric = np.repeat(np.arange(len(metrics), dtype=np.int32), each)
    of_cell = np.repeat(np.arange(len(blocks), dtype=np.int32), named)[of_metric]
    # Where in its cell's columns a row's number stands: each metric of a cell begins again at the cell's first.
    firsts = np.repeat(np.cumsum([0, *(b.each for b in blocks[:-1])]), named)
    in_cell = np.repeat(firsts - np.cumsum(each) + each, each) + np.arange(len(of_metric))
    rows = {name: np.concatenate([b.same[name] for b in blocks])[in_cell] for name in blocks[0].same}
    rows |= _rows(blocks, metrics, of_metric)
    found: dict[str, Any] = {}
    for name in columns:
        if name in rows:
            found[name] = rows.pop(name)
        elif name in metrics:
            found[name] = _told_once(metrics[name]).take(of_metric)
        else:
            found[name] = _told_once(cells.columns[name]).take(of_cell)
    if "end" in found:
        found["end"] = pd.Categorical.from_codes(found["end"], categories=pd.Index(ENDS))
    return pd.DataFrame(found, copy=False)


def _rows(
    blocks: Sequence[Block], metrics: pd.DataFrame, of_metric: npt.NDArray[np.int32]
) -> dict[str, npt.NDArray[Any]]:
    """The columns that have a number in each row, gains and Delta among them: computed of all cells in one call."""
    rows = {
        name: np.concatenate([np.empty(0), *(piece for b in blocks for piece in b.rows.pop(name))])
        for name in list(blocks[0].rows)
    }
    if "base_value" in metrics:
        rows["base_value"] = metrics["base_value"].to_numpy(np.float64)[of_metric]
    higher = np.array([metric_by_id(id).higher_is_better for id in metrics["metric"]], dtype=bool)
    rows["gain"] = gains(rows["value"], rows["base_value"], higher[of_metric])
    if "delta" not in blocks[0].same:
        rows["delta"] = _mean_gains(blocks, rows["gain"])
    return rows


def _mean_gains(blocks: Sequence[Block], change: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Delta of each row: the mean, over the metrics of its cell that are in Delta, of the gains in the same place."""
    found, seen = np.full_like(change, np.nan), 0
    for block in blocks:
        used = np.array(block.metrics["in_delta"], dtype=bool)
        end = seen + len(used) * block.each
        if used.any():
            of_cell = (len(used), block.each)
            found[seen:end].reshape(of_cell)[:] = change[seen:end].reshape(of_cell)[used].mean(axis=0)
        seen = end
    return found


def _told_once(column: pd.Series) -> Any:
    text = column.dtype == object or pd.api.types.is_string_dtype(column)
    return (column.astype("category") if text else column).array


def _cell_columns(scored: Scored) -> dict[str, Any]:
    run = scored.run
    batches = len(next(iter(run.stream.values()))) if run.stream else 0
    told = {**run.provenance, **run.cell}
    found = {name: _look(told, place) for name, place in _PROVENANCE.items()}
    return {
        **found,
        "cell_id": run.cell_id,
        "pair": run.pair,
        "method": run.method,
        "options": canonical(run.options),
        "choice": canonical(run.cell["choice"]) if run.cell.get("choice") else None,
        "settings": canonical(run.settings),
        "protocol": run.block.protocol,
        "stream": run.block.stream,
        "recipe": run.block.recipe,
        "training": run.block.training,
        "size": run.block.size,
        "seed": run.cell["seed"],
        "n_batches": batches,
        "collapsed": scored.collapsed_step is not None,
        "collapsed_step": scored.collapsed_step,
        "base_cell_id": scored.base.cell_id if scored.base else None,
        "base_hash": scored.base_hash or None,
    }


def _look(told: Mapping[str, Any], place: str) -> str | None:
    value: Any = told
    for key in place.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if value is None or isinstance(value, str) else canonical(value)


def _trajectory_block(scored: Scored) -> Block:
    run, ids = scored.run, list(scored.run.values)
    same = {"step": run.steps.astype(np.int64), "spent": run.spent, "delta": scored.delta}
    base = [_base_value(scored, id) for id in ids]
    metrics = {**_metric_columns(scored, ids), "base_value": base}
    return Block(same, {"value": list(run.values.values())}, metrics, len(run.steps))


def _stream_block(scored: Scored, names: Sequence[str]) -> Block:
    run, ids = scored.run, list(scored.run.stream)
    batches = len(run.stream[ids[0]]) if ids else 0
    against = {} if scored.base is None else scored.base.stream
    unknown = np.full((batches, 2), np.nan)
    base = [known if len(known := against.get(id, unknown)) == batches else unknown for id in ids]
    segment = np.full(batches, -1)
    if len(run.segment_of) == batches and batches:
        segment = np.array([names.index(name) for name in run.segment_names])[run.segment_of]
    batch, end = _places(batches)
    same = {
        "batch": batch,
        "segment": segment[batch],
        "end": end,
        "step": run.steps[[0, -1]].astype(np.int64)[end],
    }
    rows: dict[str, Sequence[npt.NDArray[Any]]] = {
        "value": [values.ravel() for values in run.stream.values()],
        "base_value": [values[batch, 0] for values in base],
    }
    return Block(same, rows, _metric_columns(scored, ids), 2 * batches)


@lru_cache(maxsize=8)
def _places(batches: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int8]]:
    """(2 x batches,) each: the batch, and which of ``ENDS``, of each row of a metric in the stream."""
    rows = np.arange(len(ENDS) * batches)
    return rows // len(ENDS), (rows % len(ENDS)).astype(np.int8)


def _metric_columns(scored: Scored, ids: Sequence[str]) -> dict[str, Sequence[Any]]:
    used = {metric.id for metric in scored.metrics}
    return {"task": [id.split("/")[0] for id in ids], "metric": ids, "in_delta": [id in used for id in ids]}


def _base_value(scored: Scored, id: str) -> float:
    known = scored.base.values.get(id) if scored.base else None
    return float("nan") if known is None else float(known[0])
