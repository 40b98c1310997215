"""Malformed inputs against the command line: no traceback, no hang, nothing executed or written elsewhere."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinds import KINDS, RARE, Ground, prepare

LIMIT = 60
"""Seconds that one command may take before it counts as hanging."""


@dataclass
class Answer:
    """What became of one command."""

    code: int | None
    """Exit code; None: killed at the time limit."""
    text: str
    seconds: float


@dataclass
class Attempt:
    """One malformed input: where it lies, and the command that meets it."""

    kind: str
    seed: int
    command: Sequence[str]
    may_pass: bool = True
    """Whether exit 0 is an honest answer (a damaged cell among sound ones; a value that happens to be valid)."""
    note: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def run_inputs(folder: Path, count: int, seed: int, only: str = "") -> list[str]:
    """Meet ``count`` malformed inputs, the kinds in turn.

    Returns:
        What was not as it must be, one line each.
    """
    if not count:
        return []
    began = time.monotonic()
    ground = prepare(folder)
    kinds = {name: make for name, make in KINDS.items() if only in name}
    turns = [name for turn in range(max(RARE.values())) for name in kinds if turn % RARE.get(name, 1) == 0]
    faults: list[str] = []
    codes: Counter[tuple[str, int | None]] = Counter()
    slowest = 0.0
    for number in range(count):
        name = turns[number % len(turns)]
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        own = seed * 1_000_003 + number
        attempt = kinds[name](ground, place, random.Random(own))
        before = _listing(folder, place)
        answer = run(attempt.command, place, attempt.environment)
        codes[name, answer.code] += 1
        slowest = max(slowest, answer.seconds)
        faults += [f"{name} (seed {own}): {fault}" for fault in _judge(attempt, answer, ground)]
        strange = _listing(folder, place) - before
        if strange:
            faults.append(f"{name} (seed {own}): wrote {sorted(strange)[:3]}")
    for name in kinds:
        told = ", ".join(f"exit {code}: {n}" for (kind, code), n in sorted(codes.items(), key=str) if kind == name)
        print(f"inputs: {name}: {told}")
    print(f"inputs: {count} met in {time.monotonic() - began:.0f} s, the slowest in {slowest:.1f} s")
    return faults


def run(command: Sequence[str], place: Path, environment: dict[str, str]) -> Answer:
    """Run the command line in a forked copy of this process, which has imported everything once."""
    log, started = place.parent / "answer.txt", time.monotonic()
    child = os.fork()
    if child == 0:
        _in_child(command, place, log, environment)
    while time.monotonic() - started < LIMIT:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return Answer(_code(status), log.read_text(errors="replace"), time.monotonic() - started)
        time.sleep(0.002)
    subprocess.run(["pkill", "-KILL", "-P", str(child)], check=False)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Answer(None, log.read_text(errors="replace"), time.monotonic() - started)


def _in_child(command: Sequence[str], place: Path, log: Path, environment: dict[str, str]) -> None:
    code = 70
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(out, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(place)
        os.environ.update(environment)
        sys.argv = ["ttt_bench", *command]
        from ttt_bench.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _code(status: int) -> int:
    return os.waitstatus_to_exitcode(status)


def _judge(attempt: Attempt, answer: Answer, ground: Ground) -> list[str]:
    faults = []
    tail = " ".join(answer.text.split())[-240:]
    if answer.code is None:
        faults.append(f"still running after {LIMIT} s: {' '.join(attempt.command)[:200]}; {attempt.note}")
    elif answer.code not in (0, 1, 2):
        faults.append(f"exit {answer.code}; {attempt.note}: {tail}")
    elif answer.code == 0 and not attempt.may_pass:
        faults.append(f"accepted; {attempt.note}: {' '.join(attempt.command)[:200]}")
    if "Traceback" in answer.text:
        faults.append(f"a traceback; {attempt.note}: {tail}")
    if answer.code and not answer.text.strip():
        faults.append(f"exit {answer.code} without a word; {attempt.note}")
    if ground.canary.exists():
        faults.append(f"something was executed; {attempt.note}")
        ground.canary.unlink()
    return faults


def _listing(folder: Path, place: Path) -> set[str]:
    """All files of the campaign but those of the attempt's own place, and those beside the campaign."""
    inside = {str(p) for p in folder.rglob("*") if place not in p.parents and p != place and p.name != "answer.txt"}
    return inside | {str(p) for p in folder.parent.iterdir()}
