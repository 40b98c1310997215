"""Everything measured in long form (``trajectories.parquet``, ``stream.parquet``), each column explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ttt_bench.files import write_atomically, write_text
from ttt_bench.identity import canonical
from ttt_bench.metrics import gains
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.scoring import Scored
from ttt_bench.tasks import metric_by_id

CELL_COLUMNS = {
    "cell_id": "identity of the cell, the name of its file",
    "pair": "source->target",
    "method": "name of the method",
    "options": "its options, as canonical JSON",
    "choice": "of tuned: settings chosen, strategy, and every trial with its score, as canonical JSON",
    "settings": "every other setting of the cell, as canonical JSON",
    "protocol": "online, episodic or single",
    "stream": "how the target arrives: iid, correlated, continual, gradual or mixed",
    "recipe": "whose optimiser settings",
    "training": "shared or joint source training",
    "size": "image size, as in the cell",
    "seed": "seed of the run",
    "n_batches": "target batches scored",
    "collapsed": "whether the method collapsed anywhere in this run; such runs are in no mean",
    "collapsed_step": "first step at which it did, missing otherwise",
    "base_cell_id": "the un-adapted run that gain and delta are relative to",
    "base_hash": "identifies the baseline numbers behind delta",
    "git_sha": "commit of the code that ran the cell",
    "torch_version": "torch that ran it",
    "device": "device that ran it",
    "source_fingerprint": "of the source domain's data",
    "target_fingerprint": "of the target domain's data",
    "checkpoint": "identity of the source checkpoint",
}
TRAJECTORY_COLUMNS = {
    **CELL_COLUMNS,
    "step": "updates done; in online, on this batch, after all updates of the batches before it",
    "spent": "forwards + 2 x backwards of the updates up to this step, per adapted image, in forwards of it",
    "task": "name of the task",
    "metric": "metric id, naming the estimator",
    "value": "over the whole target set; fractions, metres and degrees",
    "base_value": "the same metric of the un-adapted base on the same images and seed",
    "gain": "percent, oriented so that more is better: 100 x (value - base) / |base|",
    "in_delta": "whether this metric is its task's one in delta",
    "delta": "percent: mean of the gains over the tasks, at this step (repeated over tasks and metrics)",
}
STREAM_COLUMNS = {
    **CELL_COLUMNS,
    "batch": "position in the target stream, from 0",
    "segment": "place and name of the segment of the stream that the batch is of; missing in a stream without",
    "end": "first or last recorded step",
    "step": "that step",
    "task": "name of the task",
    "metric": "metric id, naming the estimator",
    "value": "of this batch alone (an mIoU of one batch counts absent classes as 0)",
    "base_value": "the same metric of the un-adapted base on the same batch",
    "gain": "percent over the base on the same batch",
    "in_delta": "whether this metric is its task's one in delta",
    "delta": "percent: mean of the gains over the tasks, on this batch at this step",
}
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


def trajectory_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """One row per (cell, step, metric): see ``TRAJECTORY_COLUMNS``."""
    return _frame(groups, _trajectory_block, TRAJECTORY_COLUMNS)


def stream_frame(groups: Sequence[Group]) -> pd.DataFrame:
    """One row per (cell, batch, first or last step, metric): see ``STREAM_COLUMNS``."""
    names = sorted({name for g in groups for r in g.rows for s in r.runs for name in s.run.segment_names})
    frame = _frame(groups, partial(_stream_block, names=names), STREAM_COLUMNS)
    frame["segment"] = pd.Categorical.from_codes(frame["segment"], categories=pd.Index(names, dtype=object))
    return frame


def write_frames(groups: Sequence[Group], folder: Path) -> list[Path]:
    """Write both frames as parquet, and ``columns.md``."""
    written = []
    for name, make in (("trajectories", trajectory_frame), ("stream", stream_frame)):
        path = folder / f"{name}.parquet"
        write_atomically(path, partial(make(groups).to_parquet, index=False))
        written.append(path)
    path = folder / "columns.md"
    write_text(path, columns_text())
    return [*written, path]


def columns_text() -> str:
    """What each column means, as Markdown."""
    lines = ["# Columns", ""]
    for name, columns in (
        ("trajectories.parquet", TRAJECTORY_COLUMNS),
        ("stream.parquet", STREAM_COLUMNS),
        ("tables/*.csv", SUMMARY_COLUMNS),
    ):
        lines += [f"## `{name}`", "", "| column | meaning |", "|:--|:--|"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()] + [""]
    return "\n".join(lines)


SUMMARY_COLUMNS = {
    "pair, protocol, recipe, training, size": "the table",
    "label, method": "the row; the label adds options where several rows share a method",
    "n": "runs in each mean",
    "collapsed, collapsed_steps": "how many runs collapsed, and at which step each",
    "<selection>/<metric id>_mean, _sd": "at last, fixed, label_free or best (oracle); SI units or fractions",
    "<selection>/delta_mean, _sd": "percent over base",
    "<selection>/delta_bn_mean, _sd": "delta minus the bn control's, same seed and selection",
    "last/delta_low, _high, last/delta_bn_low, _high": "95 % interval of the paired block bootstrap",
    "p_holm": "of no difference from bn in Delta at the last step, adjusted for the methods of the table",
    "seeds_needed": "for 80 % power at the observed difference from bn; missing under three seeds",
    "tied": "whether the row is the table's best in Delta at the last step, or cannot be told from it at 5 %",
    "<selection>/step_mean, _sd": "the step selected",
    "sv, sv_plateau, dtw, dtw_per_step, dtw_percent, cs (_mean, _sd)": "in step: per run, then over runs",
    "range/<task>_mean, _sd": "percent: range of the task's gain over the steps",
    "cost/seconds, cost/relative (_mean, _sd)": "median seconds of an update; over base's evaluation forward",
    "cost/forwards, cost/backwards (_mean, _sd)": "per update, in batches",
    "cost/spent (_mean, _sd)": "forwards + 2 x backwards up to the last step, per adapted image, in forwards of it",
    "cost/latency (_mean, _sd)": "seconds per image: the updates up to the last step and one prediction",
    "cost/memory, cost/parameters, cost/updated (_mean, _sd)": "bytes, and numbers of parameters",
}


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

    rows: dict[str, npt.NDArray[Any]]
    """Column -> (rows,)."""
    metrics: dict[str, Sequence[Any]]
    """Column -> one entry per metric, for all of its rows."""
    each: int
    """Rows per metric."""


def _frame(groups: Sequence[Group], block: Callable[[Scored], Block], columns: Mapping[str, str]) -> pd.DataFrame:
    # A borrowed base stands in two tables but is one cell.
    unique = {s.run.cell_id: s for g in groups for r in g.rows for s in r.runs if s.run.block == g.block}
    blocks = [block(scored) for scored in unique.values()]
    cells = pd.DataFrame([_cell_columns(scored) for scored in unique.values()], columns=list(CELL_COLUMNS))
    cells["collapsed_step"] = cells["collapsed_step"].astype("Int64")
    metrics = pd.DataFrame({name: [v for b in blocks for v in b.metrics[name]] for name in blocks[0].metrics})
    named = [len(b.metrics["metric"]) for b in blocks]
    each = np.repeat([b.each for b in blocks], named)
    # What repeats is told once and repeated as a number: millions of rows in a fraction of a second, in little memory.
    of_metric = np.repeat(np.arange(len(metrics), dtype=np.int32), each)
    of_cell = np.repeat(np.arange(len(blocks), dtype=np.int32), named)[of_metric]
    found: dict[str, Any] = {}
    for name in columns:
        if name in blocks[0].rows:
            found[name] = np.concatenate([b.rows.pop(name) for b in blocks])
        elif name in metrics:
            found[name] = _told_once(metrics[name]).take(of_metric)
        else:
            found[name] = _told_once(cells[name]).take(of_cell)
    if "end" in found:
        found["end"] = pd.Categorical.from_codes(found["end"], categories=pd.Index(ENDS))
    return pd.DataFrame(found, copy=False)


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
    run, ids, steps = scored.run, list(scored.run.values), len(scored.run.steps)
    values = np.array([run.values[id] for id in ids]).reshape(len(ids), steps)
    base = np.array([_base_value(scored, id) for id in ids])
    rows: dict[str, npt.NDArray[Any]] = {
        "step": np.tile(run.steps.astype(np.int64), len(ids)),
        "spent": np.tile(run.spent, len(ids)),
        "value": values.ravel(),
        "base_value": np.repeat(base, steps),
        "gain": gains(values, base, [metric_by_id(id).higher_is_better for id in ids]).ravel(),
        "delta": np.tile(scored.delta, len(ids)),
    }
    return Block(rows, _metric_columns(scored, ids), steps)


def _stream_block(scored: Scored, names: Sequence[str]) -> Block:
    run, ids = scored.run, list(scored.run.stream)
    batches = len(run.stream[ids[0]]) if ids else 0
    values = np.array([run.stream[id].ravel() for id in ids]).reshape(len(ids), 2 * batches)
    base = np.full_like(values, np.nan)
    for place, id in enumerate(ids):
        against = scored.base.stream.get(id) if scored.base else None
        if against is not None and len(against) == batches:
            base[place] = np.repeat(against[:, 0], 2)
    higher = np.repeat([metric_by_id(id).higher_is_better for id in ids], 2 * batches)
    change = gains(values.ravel(), base.ravel(), higher).reshape(values.shape)
    chosen = [place for place, id in enumerate(ids) if id in {m.id for m in scored.metrics}]
    mean = change[chosen].mean(axis=0) if chosen else np.full(2 * batches, np.nan)
    segment = np.full(batches, -1)
    if len(run.segment_of) == batches and batches:
        segment = np.array([names.index(name) for name in run.segment_names])[run.segment_of]
    rows: dict[str, npt.NDArray[Any]] = {
        "batch": np.tile(np.repeat(np.arange(batches), 2), len(ids)),
        "segment": np.tile(np.repeat(segment, 2), len(ids)),
        "end": np.tile(np.arange(len(ENDS), dtype=np.int8), batches * len(ids)),
        "step": np.tile(run.steps[[0, -1]].astype(np.int64), batches * len(ids)),
        "value": values.ravel(),
        "base_value": base.ravel(),
        "gain": change.ravel(),
        "delta": np.tile(mean, len(ids)),
    }
    return Block(rows, _metric_columns(scored, ids), 2 * batches)


def _metric_columns(scored: Scored, ids: Sequence[str]) -> dict[str, Sequence[Any]]:
    used = {metric.id for metric in scored.metrics}
    return {"task": [id.split("/")[0] for id in ids], "metric": ids, "in_delta": [id in used for id in ids]}


def _base_value(scored: Scored, id: str) -> float:
    known = scored.base.values.get(id) if scored.base else None
    return float("nan") if known is None else float(known[0])
