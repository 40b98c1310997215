"""Tables of the cost study, from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ttt_bench.identity import canonical
from ttt_bench.names import shown
from ttt_bench.report.entries import MISSING, Entry, TextTable
from ttt_bench.report.runs import BASE
from ttt_bench.studies.answers.checks import GROUPED, named
from ttt_bench.studies.answers.gradients import tables_of
from ttt_bench.studies.page import Outcome

Stored = dict[str, Any]
TRAINING, UPDATE, PREDICTION = "source training", "update", "prediction"
MIB = 2.0**20


def further(each: Stored) -> list[str]:
    """Source stages on the frozen network."""
    return [name for name in each["stages"] if name not in (TRAINING, UPDATE, PREDICTION)]


def mean_of(members: Sequence[Stored], stage: str, key: str) -> float:
    """Mean over seeds of one number of a stage; NaN where there is no such stage."""
    found = [each["stages"][stage][key] for each in members if stage in each["stages"]]
    return float(np.mean(found)) if found else float("nan")


def source_seconds(members: Sequence[Stored], stage: str) -> float:
    """The whole of a source stage: seconds of an iteration times their number."""
    return mean_of(members, stage, "seconds") * mean_of(members, stage, "times")


def image_milliseconds(members: Sequence[Stored], stage: str) -> float:
    """Per image: all updates, or one prediction; 0 for updates of a method without."""
    if stage not in members[0]["stages"]:
        return 0.0
    return 1e3 * source_seconds(members, stage) / mean_of(members, stage, "batch")


def memory(members: Sequence[Stored], stages: Sequence[str]) -> float:
    """MiB over an idle process: the most of some stages; NaN where there is none of them."""
    found = [mean_of(members, stage, "memory") for stage in stages if stage in members[0]["stages"]]
    idle = float(np.mean([each["idle"] for each in members]))
    return max(0.0, max(found) - idle) / MIB if found else float("nan")


def cost_outcome(stored: Sequence[Stored]) -> Outcome:
    """A table of seconds and one of memory for each setting, and everything in long form."""
    tables = []
    for title, rows in tables_of(stored).items():
        tables += [_times(title, rows), _memory(title, rows)]
    return Outcome(tuple(tables), pd.DataFrame([row for each in stored for row in _rows(each)]))


def _times(title: str, rows: dict[str, list[Stored]]) -> TextTable:
    base = rows.get(BASE)
    floor = image_milliseconds(base, PREDICTION) if base else float("nan")
    lines = []
    for label, members in rows.items():
        test = image_milliseconds(members, UPDATE) + image_milliseconds(members, PREDICTION)
        stages = ", ".join(
            f"{name} {source_seconds(members, name):.1f} ({_each(members, name)})" for name in further(members[0])
        )
        lines.append((
            Entry(label), Entry(str(len(members))),
            Entry(f"{source_seconds(members, TRAINING):.1f} ({_each(members, TRAINING)})"), Entry(stages or MISSING),
            Entry(_number(1e3 * mean_of(members, UPDATE, "seconds") / mean_of(members, UPDATE, "batch"))),
            Entry(_number(image_milliseconds(members, PREDICTION))), Entry(_number(test)), Entry(_number(test / floor)),
        ))  # fmt: skip
    first = next(iter(rows.values()))[0]
    steps = next((m[0]["stages"][UPDATE]["times"] for m in rows.values() if UPDATE in m[0]["stages"]), 0)
    head = (
        "method", "n", "source training (s)", "further stages (s)", "update (ms / image)", "prediction (ms / image)",
        f"test, {steps} steps (ms / image)", "x base",
    )  # fmt: skip
    spread = max(stage["spread"] for m in rows.values() for each in m for stage in each["stages"].values())
    notes = (
        f"On {shown(first['provenance'].get('device') or 'cpu')}; medians of {first['repeats']} rounds, whose largest "
        f"spread ((max - min) / median) is {spread:.2f}. Whole stages by the time of one iteration, which stands in "
        "brackets with their number.",
    )
    return TextTable(f"{title}: time", head, tuple(lines), notes)


def _each(members: Sequence[Stored], stage: str) -> str:
    return f"{1e3 * mean_of(members, stage, 'seconds'):.0f} ms x {mean_of(members, stage, 'times'):.0f}"


def _memory(title: str, rows: dict[str, list[Stored]]) -> TextTable:
    base = memory(rows[BASE], [PREDICTION]) if BASE in rows else float("nan")
    lines = []
    for label, members in rows.items():
        test = memory(members, [UPDATE, PREDICTION])
        lines.append((
            Entry(label), Entry(f"{np.mean([each['parameters'] for each in members]) / 1e6:.2f}"),
            Entry(_number(memory(members, [TRAINING]))), Entry(_number(memory(members, further(members[0])))),
            Entry(_number(test)), Entry(_number(test / base if base > 0 else float("nan"))),
        ))  # fmt: skip
    head = ("method", "parameters (M)", "source training (MiB)", "further stages (MiB)", "test (MiB)", "x base")
    return TextTable(f"{title}: peak memory over an idle process", head, tuple(lines))


def _number(value: float) -> str:
    return MISSING if not np.isfinite(value) else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _rows(each: Stored) -> list[dict[str, Any]]:
    cell = each["cell"]
    fixed = {key: canonical(cell[key]) if key in ("options", "size") else cell[key] for key in (*GROUPED, "seed")}
    return [
        {**fixed, "label": named(cell["method"], cell), "stage": name, **stage, "idle": each["idle"],
         "parameters": each["parameters"], "device": each["provenance"].get("device")}
        for name, stage in each["stages"].items()
    ]  # fmt: skip
