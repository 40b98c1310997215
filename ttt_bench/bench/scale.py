"""What a sweep of 1,000 cells costs beside its arithmetic: planning, running again, reporting, starting."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.method import registry
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory

STEPS = 40
SEEDS = 46
PAIRS = ("rooms/studio->rooms/fog", "rooms/studio->rooms/dusk")


def scale_costs(measured: Trajectory, folder: Path) -> dict[str, float]:
    """Seconds of the command line around 1,012 finished cells of 41 steps.

    Args:
        measured: a real trajectory, whose numbers are stretched to 41 steps and stand in for every cell's.
        folder: an empty one.
    """
    command = [
        "--pairs", ",".join(PAIRS), "--seeds", str(SEEDS), "--steps", str(STEPS), "--batches", str(len(measured.loss)),
        "--size", "96x96", "--out", str(folder),
    ]  # fmt: skip
    cells = _finish_all(measured, SweepFolder(folder / "main"))
    return {
        "cells": float(cells),
        "help_seconds": _seconds("--help"),
        "methods_seconds": _seconds("methods"),
        "plan_seconds": _seconds("plan", *command),
        # The first run finds all cells done and makes the report, the second finds that too.
        "report_seconds": _seconds("sweep", *command, "--no-figures"),
        "rerun_seconds": _seconds("sweep", *command, "--no-figures"),
    }


def _finish_all(measured: Trajectory, folder: SweepFolder) -> int:
    config = SweepConfig(
        pairs=PAIRS,
        methods=tuple(registry.parse_methods("all")),
        seeds=tuple(range(SEEDS)),
        steps=STEPS,
        batches=len(measured.loss),
        size=(96, 96),
    )
    plan = make_plan(config)
    scored = tuple(range(STEPS + 1))
    stretched = replace(
        measured,
        eval_steps=scored,
        statistics={name: _stretch(values, len(scored)) for name, values in measured.statistics.items()},
        eval_seconds=_stretch(measured.eval_seconds, len(scored)),
        loss=_stretch(measured.loss, STEPS),
        seconds=_stretch(measured.seconds, STEPS),
        forwards=_stretch(measured.forwards, STEPS),
        backwards=_stretch(measured.backwards, STEPS),
        examples={},
    )
    for cell in plan.cells:
        replace(stretched, cell_id=cell.id, cell=cell.describe()).save(folder.cell_path(cell.id))
    return len(plan.cells)


def _stretch(values: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float64]:
    return values[:, np.linspace(0, values.shape[1] - 1, steps).round().astype(int)]


def _seconds(*arguments: str) -> float:
    """Wall seconds of one command in a process of its own, the better of two when it changes nothing."""
    command = [sys.executable, "-m", "ttt_bench", *arguments]
    best = float("inf")
    for _ in range(1 if arguments[0] == "sweep" else 2):
        start = time.perf_counter()
        subprocess.run(command, capture_output=True, text=True, check=True)
        best = min(best, time.perf_counter() - start)
    return best
