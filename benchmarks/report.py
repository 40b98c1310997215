"""How long a report takes and how much memory: makes trajectories, then reads them back into tables and frames.

    python benchmarks/report.py [--cells 1012] [--pairs 10] [--seeds 10] [--batches 16] [--steps 41] [--figures]

| what is asked                                              | target (no figures)  |
|:--|:--|
| `--cells 1012`                                             | 15 s                 |
| `--cells 4950 --pairs 33`                                  | 15 s                 |
| `--cells 2 --pairs 1 --seeds 1 --batches 25000 --steps 3`  | 10 s, 600 MB at most |

Prints seconds and the reader's peak memory; asserts nothing, for a timed test fails on a busy machine. Cells are read
as the ``report`` command reads them: by a process for each processor that this one may use, or ``--workers``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from ttt_bench.machine import reuse_freed_memory, usable_cpus
from ttt_bench.report import build_report
from ttt_bench.store import Trajectory

CLASSES, PIXELS = 7, 8 * 64 * 64


def make(pair: int, method: int, seed: int, batches: int, steps: int) -> Trajectory:
    """One plausible trajectory: method 0 is ``base``, 1 is ``bn``."""
    rng = np.random.default_rng([pair, method, seed])
    name = {0: "base", 1: "bn"}.get(method, f"method{method}")
    better = 0.0 if method == 0 else 0.02 * method * (1 - np.exp(-np.arange(steps) / 6)) * np.ones(steps)
    shape = (batches, steps)
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
    updates = (batches, steps - 1)
    return Trajectory(
        cell_id=f"{pair:02d}{method:02d}{seed:02d}",
        cell={
            "pair": f"source{pair}->target{pair}", "method": name, "options": {}, "protocol": "online",
            "recipe": "native", "training": "shared", "seed": seed, "size": [64, 64], "batch_size": 8,
        },
        provenance={"git_sha": "0", "versions": {"torch": "0"}, "device": "cpu"},
        eval_steps=tuple(range(steps)),
        statistics={
            "semseg/confusion": confusion, "depth/moments": moments, "normal/angles": angles,
            "edge/moments": moments * 0.5, "edge/histogram": histogram,
        },
        loss=np.broadcast_to(np.exp(-np.arange(steps - 1) / 5), updates),
        seconds=np.full(updates, 0.1), eval_seconds=np.full(shape, 0.05),
        forwards=np.ones(updates), backwards=np.ones(updates),
        summary={"collapsed_step": None, "parameters_total": 1, "parameters_updated": 1, "peak_memory_bytes": 1},
    )  # fmt: skip


def main() -> None:
    """Make, read, print."""
    parser = argparse.ArgumentParser()
    for name, usual in (("cells", 1000), ("pairs", 10), ("seeds", 10), ("batches", 16), ("steps", 41)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--workers", type=int, default=usable_cpus())
    options = parser.parse_args()
    methods = -(-options.cells // (options.pairs * options.seeds))
    kinds = [(p, m, s) for p in range(options.pairs) for m in range(methods) for s in range(options.seeds)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        start = time.perf_counter()
        # In a process of its own, whose memory is not counted.
        maker = multiprocessing.get_context("spawn").Process(
            target=_fill, args=(folder, kinds[: options.cells], options)
        )
        maker.start()
        maker.join()
        print(f"made {options.cells} trajectories: {time.perf_counter() - start:.1f} s")
        reuse_freed_memory()
        _read(folder, options.figures, options.workers)


def _fill(folder: Path, kinds: list[tuple[int, int, int]], options: argparse.Namespace) -> None:
    for kind in kinds:
        made = make(*kind, options.batches, options.steps)
        made.save(folder / "cells" / f"{made.cell_id}.npz")


def _read(folder: Path, figures: bool, workers: int) -> None:
    start, cpu = time.perf_counter(), _processor_seconds()
    last = start

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last
        if done == total:
            print(f"  {what}: {time.perf_counter() - last:.1f} s")
            last = time.perf_counter()

    report = build_report(folder, progress=progress, figures=figures, workers=workers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    took = f"{time.perf_counter() - start:.1f} s ({_processor_seconds() - cpu:.1f} s of processor)"
    print(f"report: {took}, {peak:.0f} MB at most, {len(report.paths)} files, {len(report.table)} rows")


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
