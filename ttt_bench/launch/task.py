"""What runs on a node: one bundle of work, supervised, resumable. Pickled by submitit; loads torch in a child only."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttt_bench import plugins
from ttt_bench.errors import UserError
from ttt_bench.launch.board import Board
from ttt_bench.launch.local import Event, Result
from ttt_bench.launch.pool import run_pool
from ttt_bench.machine import check_threads
from ttt_bench.plan.artifacts import claim_path, is_done, serves
from ttt_bench.plan.work import Context, Decode, Work
from ttt_bench.store.claims import drop_claim, slurm_job
from ttt_bench.store.failures import Kind
from ttt_bench.store.folder import SweepFolder

SPEAK_SECONDS = 60.0
EARLY_SECONDS = 70.0
"""Slurm looks at its clocks once a minute, so the signal before the walltime may come this much too early."""
TEMPORARY = ("SLURM_TMPDIR", "TMPDIR", "TEMP", "TMP")
PROBE_BYTES = 1 << 20
PRIVATE = ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "MPLCONFIGDIR")


@dataclass
class SweepTask:
    """One element of an array: does its works one after the other in a worker process that it outlives.

    A work that fails, is killed or crashes never takes the others with it. submitit calls ``checkpoint`` when the
    task is preempted or runs out of time, requeues it, and calls it again: finished work is skipped and the work
    in progress goes on from its last saved step.
    """

    works: tuple[Work, ...]
    needs: Mapping[str, Work]
    """What the works need from other tasks, by identity."""
    context: Context
    minutes: int
    """The task's walltime."""
    signal_seconds: int
    workers: int = 1
    _running: dict[str, Work] = field(default_factory=dict)
    _started: float = 0.0

    def __call__(self) -> dict[str, int]:
        """Do what is still to be done.

        Returns:
            Counts, for submitit's own record; what matters lies in the store.
        """
        self._started, self._running = time.monotonic(), {}
        plugins.use(self.context.plugins)
        result = Result()
        board = Board.of(self._with_cores(self._startable(result), result))
        board.finished |= set(self.needs) | {w.id for w in self.works if w.id not in board.open}
        with private_caches():
            run_pool(board, self.context, self.workers, result, self._note)
        self._say(f"{result.done} done, {result.skipped} were there, {len(result.failed)} failed")
        return {"done": result.done, "skipped": result.skipped, "failed": len(result.failed)}

    def checkpoint(self) -> Any:
        """Note why the work in progress stops, and ask to be started again with the same work."""
        from submitit.helpers import DelayedSubmission

        spent = time.monotonic() - self._started
        late = spent >= 60 * self.minutes - self.signal_seconds - EARLY_SECONDS
        kind: Kind = "timeout" if late else "preempted"
        reason = f"its walltime of {self.minutes} minutes ran out" if late else "it was preempted"
        for work in self._running.values():
            self._interrupted(work, kind, f"The task was stopped after {spent:.0f} s: {reason}.")
        return DelayedSubmission(SweepTask(
            self.works, self.needs, self.context, self.minutes, self.signal_seconds, self.workers
        ))  # fmt: skip

    def _startable(self, result: Result) -> list[Work]:
        """Works to start now; those that cannot be are recorded as failed, with the reason."""
        chosen = []
        for work in self.works:
            if is_done(work, self.context):
                result.skipped += 1
                continue
            reason = self._missing(work)
            if reason:
                self._folder.fail(work.id, work.label, reason, "blocked")
                result.failed.append((work, reason))
                self._say(f"{work.label}: {reason}")
            elif self._survived(work, result):
                chosen.append(work)
        return chosen

    def _with_cores(self, works: list[Work], result: Result) -> list[Work]:
        """``works``; none, with the reason on record, where this node gives fewer cores than the plan's threads."""
        try:
            check_threads(self.context.threads)
        except UserError as error:
            for work in works:
                self._folder.fail(work.id, work.label, f"{error.message} {error.hint}", "error")
                result.failed.append((work, error.message))
            self._say(f"{error.message} {error.hint}")
            return []
        return works

    def _missing(self, work: Work) -> str:
        """What ``work`` needs and is not there; data is decoded by whoever finds it missing."""
        for id in sorted(work.needs & self.needs.keys()):
            need = self.needs[id]
            if not isinstance(need, Decode) and not serves(need, work, self.context):
                failure = self._folder.failure(id)
                why = (
                    f"which failed: {failure.error}"
                    if failure
                    else "which is not there: its task was cancelled or lost"
                )
                return f"needs {need.label}, {why}"
        return ""

    def _survived(self, work: Work, result: Result) -> bool:
        """Count the end of an earlier life of this task that nobody could record; False when it was one too many."""
        job = slurm_job()
        if not job or not drop_claim(claim_path(work, self.context), job=job):
            return True
        failure = self._folder.fail(
            work.id, work.label, "The task was started anew: its node was lost, or it was requeued.", "node-loss"
        )
        if not failure.retried:
            result.failed.append((work, failure.error))
        return failure.retried

    def _interrupted(self, work: Work, kind: Kind, reason: str) -> None:
        self._folder.fail(work.id, work.label, reason, kind)
        drop_claim(claim_path(work, self.context), job=slurm_job())

    def _note(self, event: Event, work: Work, done: int, total: int, text: str) -> None:
        if event == "started":
            self._running[work.id] = work
        elif event in ("done", "failed", "retrying", "waiting"):
            self._running.pop(work.id, None)
        if event != "progress":
            self._say(f"{event}: {work.label}" + f": {text}" * bool(text))
        elif time.monotonic() - self._spoken > SPEAK_SECONDS:
            self._say(f"{work.label}: {done}/{total} {text}")

    _spoken: float = 0.0

    def _say(self, text: str) -> None:
        self._spoken = time.monotonic()
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)

    @property
    def _folder(self) -> SweepFolder:
        return SweepFolder(self.context.folder)


@contextmanager
def private_caches() -> Iterator[Path]:
    """Compilers' and plotting caches of this task alone, gone when it ends; nothing is shared over NFS.

    Raises:
        UserError: no temporary folder of this node can be written.
    """
    folder = _scratch()
    before = {name: os.environ.get(name) for name in PRIVATE}
    os.environ.update({name: str(folder / name.lower()) for name in PRIVATE})
    try:
        yield folder
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(folder, ignore_errors=True)


def _scratch() -> Path:
    """A new folder in the first temporary folder that can be written; sites name some that this node does not have."""
    roots = [os.environ[name] for name in TEMPORARY if os.environ.get(name)] + ["/tmp", "/var/tmp"]
    problems = []
    for root in dict.fromkeys(root for root in roots if Path(root).is_absolute()):
        try:
            folder = Path(tempfile.mkdtemp(prefix="ttt_bench-", dir=root))
        except OSError as error:
            problems.append(f"{root} ({error.strerror})")
            continue
        try:
            # A full file system still makes folders.
            (folder / "probe").write_bytes(bytes(PROBE_BYTES))
            (folder / "probe").unlink()
        except OSError as error:
            problems.append(f"{root} ({error.strerror})")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        return folder
    raise UserError(
        f"No temporary folder can be written on this node: {', '.join(problems)}.",
        'Name one in the profile, setup = ["export SLURM_TMPDIR=/path"], or free some space.',
    )
