"""Seconds, FLOPs and peak memory of subjects."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ttt_bench import plugins
from ttt_bench.adaptation.execution import PLAIN, Execution, float32_products
from ttt_bench.bench.config import BenchConfig
from ttt_bench.bench.subjects import Subject, encoder_subjects, method_subjects
from ttt_bench.machine import resident_peak, reuse_freed_memory

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Timing:
    """Medians of one subject."""

    seconds: float
    spread: float
    """(max - min) / median over the repeats: how far to trust it."""
    flops: int


def time_interleaved(
    subjects: Sequence[Subject], repeats: int, device: str, progress: Progress | None = None
) -> dict[str, Timing]:
    """Time all subjects in turn, again and again, so that a drifting machine drifts for all of them.

    The first round warms up and counts FLOPs; it is not timed.
    """
    flops = {}
    for subject in subjects:
        if progress is not None:
            progress(f"warming up: {subject.name}")
        with FlopCounterMode(display=False) as counter:
            subject.run()
        flops[subject.name] = counter.get_total_flops()
    seconds: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for repeat in range(repeats):
        for subject in subjects:
            if progress is not None:
                progress(f"round {repeat + 1} of {repeats}: {subject.name}")
            seconds[subject.name].append(_timed(subject, device))
    return {
        name: Timing(statistics.median(each), (max(each) - min(each)) / statistics.median(each), flops[name])
        for name, each in seconds.items()
    }


def _timed(subject: Subject, device: str) -> float:
    _wait(device)
    start = time.perf_counter()
    subject.run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def matrix_peak(device: str, size: int = 2048) -> float:
    """FLOP/s of a large float32 matrix product, the practical ceiling of this machine (best of five)."""
    left, right = (torch.randn(size, size, device=device) for _ in range(2))
    subject = Subject("matrix product", lambda: left @ right)
    best = min(_timed(subject, device) for _ in range(5))
    return 2.0 * size**3 / best


def peak_memory(config: BenchConfig, subject: str, device: str, execution: Execution = PLAIN) -> int:
    """Peak bytes of a process that does nothing but ``subject`` twice.

    On the CPU the whole process counts (a fresh one, since a peak cannot be reset); on CUDA the device's memory.
    """
    files = {kind: [str(path) for path in paths] for kind, paths in plugins.in_use().items()}
    told = (config.as_json(), subject, device, asdict(execution), files)
    command = [sys.executable, "-m", "ttt_bench.bench.timing", *map(json.dumps, told)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.strip().splitlines()[-1]))


def _run_alone(told: Sequence[Any]) -> int:
    reuse_freed_memory()
    said, name, device, how, files = told
    plugins.use({kind: [Path(path) for path in paths] for kind, paths in files.items()})
    config, execution = BenchConfig.from_json(said), Execution(**how)
    method = name.split()[0]
    if method == "encoder":
        subjects = encoder_subjects(config, device, execution)
    else:
        subjects = method_subjects(config, method, device, execution)
    subject = next(s for s in subjects if s.name == name)
    return peak_of(subject, device, execution.precision)


def peak_of(subject: Subject, device: str, precision: str) -> int:
    """Peak bytes, once ``subject`` has run twice, of this process; on CUDA, of the device since then."""
    on_cuda = torch.device(device).type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    with float32_products(precision):
        for _ in range(2):
            subject.run()
    return int(torch.cuda.max_memory_allocated(device)) if on_cuda else resident_peak()


if __name__ == "__main__":
    print(json.dumps(_run_alone([json.loads(each) for each in sys.argv[1:]])))
