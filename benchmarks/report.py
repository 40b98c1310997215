"""How long a report takes: makes 1,000 trajectories of 41 steps, then reads them back into tables and frames.

    python benchmarks/report.py [--cells 1000] [--figures]

The target (without figures) is 15 s. Prints seconds; asserts nothing, for a timed test fails on a busy machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from ttt_bench.report import build_report
from ttt_bench.store import Trajectory

PAIRS, SEEDS, BATCHES, STEPS, CLASSES, PIXELS = 10, 10, 16, 41, 7, 8 * 64 * 64


def make(pair: int, method: int, seed: int) -> Trajectory:
    """One plausible trajectory: method 0 is ``base``, 1 is ``bn``."""
    rng = np.random.default_rng([pair, method, seed])
    name = {0: "base", 1: "bn"}.get(method, f"method{method}")
    better = 0.0 if method == 0 else 0.02 * method * (1 - np.exp(-np.arange(STEPS) / 6)) * np.ones(STEPS)
    shape = (BATCHES, STEPS)
    right = np.broadcast_to(0.4 + np.asarray(better), shape)
    confusion = np.full((*shape, CLASSES, CLASSES), 50.0)
    confusion[..., np.arange(CLASSES), np.arange(CLASSES)] = np.rint(PIXELS / CLASSES * right)[..., None]
    n, g, gg = PIXELS, 2.0 * PIXELS, 5.0 * PIXELS
    error = (1.0 - np.broadcast_to(better, shape) + 0.01 * rng.random(shape)) ** 2
    moments = np.stack(
        [np.full(shape, v, dtype=float) if np.isscalar(v) else v for v in (n, g, g, gg + n * error, gg, gg)], axis=-1
    )
    angle = 40.0 * error
    angles = np.stack(
        [np.full(shape, float(n)), n * angle, n * 0.2 + 0 * angle, n * 0.4 + 0 * angle, n * 0.5 + 0 * angle], -1
    )
    histogram = np.broadcast_to(rng.integers(1, 500, (2, 64)).astype(float), (*shape, 2, 64))
    updates = (BATCHES, STEPS - 1)
    return Trajectory(
        cell_id=f"{pair:02d}{method:02d}{seed:02d}",
        cell={
            "pair": f"source{pair}->target{pair}", "method": name, "options": {}, "protocol": "online",
            "recipe": "native", "training": "shared", "seed": seed, "size": [64, 64], "batch_size": 8,
        },
        provenance={"git_sha": "0", "versions": {"torch": "0"}, "device": "cpu"},
        eval_steps=tuple(range(STEPS)),
        statistics={
            "semseg/confusion": confusion, "depth/moments": moments, "normal/angles": angles,
            "edge/moments": moments * 0.5, "edge/histogram": histogram,
        },
        loss=np.broadcast_to(np.exp(-np.arange(STEPS - 1) / 5), updates),
        seconds=np.full(updates, 0.1), eval_seconds=np.full(shape, 0.05),
        forwards=np.ones(updates), backwards=np.ones(updates),
        summary={"collapsed_step": None, "parameters_total": 1, "parameters_updated": 1, "peak_memory_bytes": 1},
    )  # fmt: skip


def main() -> None:
    """Make, read, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--figures", action="store_true")
    options = parser.parse_args()
    methods = -(-options.cells // (PAIRS * SEEDS))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        start = time.perf_counter()
        kinds = [(p, m, s) for p in range(PAIRS) for m in range(methods) for s in range(SEEDS)][: options.cells]
        for kind in kinds:
            made = make(*kind)
            made.save(folder / "cells" / f"{made.cell_id}.npz")
        print(f"made {len(kinds)} trajectories, {STEPS} steps, {BATCHES} batches: {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        last = [start]

        def progress(done: int, total: int, what: str) -> None:
            if done == total:
                print(f"  {what}: {time.perf_counter() - last[0]:.1f} s")
                last[0] = time.perf_counter()

        report = build_report(folder, progress=progress, figures=options.figures)
        print(f"report: {time.perf_counter() - start:.1f} s, {len(report.paths)} files, {len(report.table)} rows")


if __name__ == "__main__":
    main()
