"""Kill a sweep at random moments until it is through; its numbers must be those of a sweep that was left alone."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SWEEP = [
    "--pairs", "rooms/studio->rooms/fog", "--methods", "tent,s4t", "--size", "32x32", "--steps", "3",
    "--batches", "5", "--batch-size", "4", "--train-iterations", "40", "--train-samples", "24", "--fit-iterations", "15",
    "--seeds", "1", "--no-figures",
]  # fmt: skip
MEASURED = ("loss", "statistics/", "examples/", "forwards", "backwards")
"""Arrays of a cell that the machine's speed has no part in."""


def run_kills(folder: Path, kills: int, seed: int) -> list[str]:
    """Kill sweeps ``kills`` times in all, half of them with two workers, and compare with one that was not killed.

    Returns:
        What was not as it must be, one line each.
    """
    dice = random.Random(seed)
    faults: list[str] = []
    started = time.monotonic()
    _finish(_start(folder / "whole", 1))
    whole = digests(folder / "whole")
    duration = time.monotonic() - started
    left, round_ = kills, 0
    while left > 0:
        jobs = 1 + round_ % 2
        out = folder / f"round{round_}"
        happened, before = 0, len(faults)
        while left > 0 and happened < 10:
            process = _start(out, jobs)
            # Within the first part of a sweep from nothing: later starts have less to do, so each is hit further on.
            deadline = time.monotonic() + dice.uniform(0.5, 0.6 * duration)
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.poll() is not None:
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            happened, left = happened + 1, left - 1
        text = _finish(_start(out, jobs))
        if "Traceback" in text:
            faults.append(f"kills, --jobs {jobs}: a traceback after {happened} kills: {text[-300:]}")
        if digests(out) != whole:
            faults.append(f"kills, --jobs {jobs}: other numbers after {happened} kills (seed {seed}, round {round_})")
        remains = [str(p.relative_to(out)) for p in out.rglob("*.tmp*")]
        if remains:
            faults.append(f"kills, --jobs {jobs}: left over after the sweep ended: {remains[:3]}")
        print(
            f"kills: round {round_}, --jobs {jobs}: {happened} kills, numbers {'equal, nothing left over' if len(faults) == before else 'or files NOT as they must be'}"
        )
        round_ += 1
    return faults


def digests(out: Path) -> dict[str, str]:
    """Cell id -> hash of all that it measured."""
    result = {}
    for file in sorted(out.glob("*/cells/*.npz")):
        digest = hashlib.sha256()
        with np.load(file, allow_pickle=False) as arrays:
            for name in sorted(arrays.files):
                if name.startswith(MEASURED):
                    digest.update(name.encode() + arrays[name].tobytes())
        result[file.stem] = digest.hexdigest()
    return result


def _start(out: Path, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ttt_bench", "sweep", *SWEEP, "--jobs", str(jobs), "--out", str(out)]
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.txt").open("a") as log:
        return subprocess.Popen(
            [*command, "--cache", str(out / "cache")],
            stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def _finish(process: subprocess.Popen[str]) -> str:
    process.wait(timeout=600)
    log = Path(process.args[process.args.index("--out") + 1]) / "log.txt"  # type: ignore[union-attr, operator, index]
    text = log.read_text()
    if process.returncode != 0:
        raise SystemExit(f"the sweep itself ended with {process.returncode}:\n{text[-2000:]}")
    return text
