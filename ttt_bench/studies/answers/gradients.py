"""Tables of the gradient study, from what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ttt_bench.identity import canonical
from ttt_bench.measurements.numbers import cosines_of
from ttt_bench.report.entries import MISSING, Entry, TextTable
from ttt_bench.statistics.resampling import RESAMPLES, SEED, Interval, draw_weights, interval, resampled_mean
from ttt_bench.studies.answers.checks import GROUPED, named
from ttt_bench.studies.page import Outcome

Array = npt.NDArray[np.float64]
Stored = dict[str, Any]
ALIKE = tuple(key for key in GROUPED if key not in ("method", "options"))
"""What a table does not mix."""


def tables_of(stored: Sequence[Stored]) -> dict[str, dict[str, list[Stored]]]:
    """Title of a table -> row -> its measurements, one per seed."""
    found: dict[str, dict[str, list[Stored]]] = defaultdict(lambda: defaultdict(list))
    for each in stored:
        cell = each["cell"]
        same = {key: cell[key] for key in ALIKE}
        size = "x".join(map(str, same["size"]))
        title = (
            f"{same['pair']}: protocol {same['protocol']}, recipe {same['recipe']}, {same['training']} training, {size}"
        )
        found[title][named(cell["method"], cell)].append(each)
    return found


def cosines(members: Sequence[Stored]) -> Array:
    """(seeds x batches, steps, 1 + T, 1 + T): the method first, then the tasks."""
    return np.concatenate([cosines_of(each["grams"]) for each in members])


def over_steps(members: Sequence[Stored]) -> Array:
    """(steps, 1 + T, 1 + T): mean over batches and seeds; NaN where it is undefined in all of them."""
    values = cosines(members)
    known = np.isfinite(values)
    count = known.sum(0)
    total = np.where(known, values, 0.0).sum(0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def certain(members: Sequence[Stored], one: int, other: int) -> Interval:
    """Mean cosine over steps, batches and seeds, with the interval of the block bootstrap over batches and seeds."""
    runs = [_by_batch(each, one, other) for each in members]
    known = [run[np.isfinite(run)] for run in runs]
    estimates = [run.mean() for run in known if run.size]
    if len(estimates) < len(runs):
        return Interval(float("nan"), float("nan"), float("nan"), float("nan"), len(runs))
    draws = []
    for seed, run in enumerate(known):
        weights = draw_weights(len(run), RESAMPLES, np.random.default_rng([SEED, seed]))
        draws.append(weights @ run / len(run))
    return interval(float(np.mean(estimates)), resampled_mean(draws, np.random.default_rng([SEED, 0])), len(runs))


def _by_batch(each: Stored, one: int, other: int) -> Array:
    """(batches,) mean over the steps at which it is defined."""
    values = cosines_of(each["grams"])[:, :, one, other]
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(1)
    return np.asarray(np.where(known.any(1), total / np.maximum(known.sum(1), 1), np.nan))


def interference_outcome(stored: Sequence[Stored]) -> Outcome:
    """A table against the tasks and one between them for each setting, everything in long form, and a sentence."""
    tables, said = [], []
    for title, rows in tables_of(stored).items():
        tasks = next(iter(rows.values()))[0]["tasks"]
        tables.append(_own_table(title, rows, tasks))
        if len(tasks) > 1:
            tables.append(_task_table(title, rows, tasks))
        said.append(_sentence(title, rows, tasks))
    frame = pd.DataFrame([row for each in stored for row in _rows(each)])
    return Outcome(tuple(tables), frame, " ".join(said))


def _own_table(title: str, rows: dict[str, list[Stored]], tasks: Sequence[str]) -> TextTable:
    lines = []
    for label, members in rows.items():
        means, values = over_steps(members), cosines(members)
        cells = [Entry(_text(certain(members, 0, place), values[:, :, 0, place])) for place in range(1, len(tasks) + 1)]
        ends = [_mean(means[step, 0, 1:]) for step in (0, -1)]
        lines.append((
            Entry(label), Entry(str(len(members))), Entry("apart" if members[0]["apart"] else "the network"),
            Entry(f"{members[0]['updated'] / 1e6:.3f}"), *cells, *(Entry(_signed(value)) for value in ends),
        ))  # fmt: skip
    first, last = (next(iter(rows.values()))[0]["steps"][place] for place in (0, -1))
    head = (
        "method", "n", "moves", "updated (M)", *tasks, f"all tasks, step {first}", f"all tasks, step {last}",
    )  # fmt: skip
    notes = (
        "Cosine of the method's gradient and the task's supervised one, mean over steps, batches and seeds, [95 % "
        "interval] over batches and seeds; in brackets behind it the share of batches and steps where it is negative.",
    )
    return TextTable(f"{title}: self-supervised against supervised gradient", head, tuple(lines), notes)


def _task_table(title: str, rows: dict[str, list[Stored]], tasks: Sequence[str]) -> TextTable:
    pairs = list(combinations(range(1, len(tasks) + 1), 2))
    lines = [
        (Entry(label), *(Entry(_text(certain(members, i, j), cosines(members)[:, :, i, j])) for i, j in pairs))
        for label, members in rows.items()
    ]
    head = ("method", *(f"{tasks[i - 1]} – {tasks[j - 1]}" for i, j in pairs))
    return TextTable(f"{title}: supervised gradients of two tasks", head, tuple(lines))


def _text(known: Interval, values: Array) -> str:
    if not np.isfinite(known.estimate):
        return MISSING
    finite = values[np.isfinite(values)]
    within = f" [{_signed(known.low)}, {_signed(known.high)}]" if np.isfinite([known.low, known.high]).all() else ""
    return f"{_signed(known.estimate)}{within} ({100 * float((finite < 0).mean()):.0f} %)"


def _signed(value: float) -> str:
    return f"{value + 0.0:+.3f}" if np.isfinite(value) else MISSING


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _sentence(title: str, rows: dict[str, list[Stored]], tasks: Sequence[str]) -> str:
    """Which methods' gradients agree with the supervised ones in every task, which are against one, and the kinds."""
    agree, against = [], []
    for label, members in rows.items():
        known = [certain(members, 0, place) for place in range(1, len(tasks) + 1)]
        if all(each.low > 0 for each in known):
            agree.append(label)
        worst = [task for task, each in zip(tasks, known, strict=True) if each.high < 0]
        if worst:
            against.append(f"{label} ({', '.join(worst)})")
    kinds = {
        kind: [_mean(over_steps(members)[:, 0, 1:]) for members in rows.values() if members[0]["apart"] is apart]
        for kind, apart in (("move the trained network", False), ("move an encoder of their own", True))
    }
    means = [
        f"{_signed(float(np.nanmean(values)))} over those ({len(values)}) that {kind}"
        for kind, values in kinds.items()
        if np.isfinite(values).any()
    ]
    parts = [
        f"{title}: above zero in every task {', '.join(agree) or 'no method'}; below zero in a task "
        f"{', '.join(against) or 'no method'}."
    ]
    if means:
        parts.append(f"Mean cosine {' and '.join(means)}.")
    return " ".join(parts)


def _rows(each: Stored) -> list[dict[str, Any]]:
    cell, names = each["cell"], ["method", *each["tasks"]]
    fixed = {key: canonical(cell[key]) if key in ("options", "size") else cell[key] for key in (*GROUPED, "seed")}
    values = cosines_of(each["grams"])
    return [
        {**fixed, "apart": each["apart"], "batch": batch, "step": step, "gradient": names[i], "other": names[j],
         "cosine": float(values[batch, column, i, j])}
        for batch in range(values.shape[0]) for column, step in enumerate(each["steps"])
        for i, j in combinations(range(len(names)), 2)
    ]  # fmt: skip
