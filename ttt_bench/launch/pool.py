"""Worker processes: one piece of work at a time each, dealt by the scheduler, replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from ttt_bench import plugins
from ttt_bench.launch.board import Board
from ttt_bench.launch.local import POLL_SECONDS, Fault, Listener, Result, finish
from ttt_bench.machine import usable_cpus
from ttt_bench.plan.artifacts import claim_for, claim_path, is_done
from ttt_bench.plan.work import Context, Work
from ttt_bench.store.claims import drop_claim

SLURM_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)
"""What Slurm sends to every process of a task that is preempted, cancelled or out of time."""


@dataclass(frozen=True)
class Idle:
    """For how many further workers there are idle processors; the dealer writes it, every worker reads it."""

    count: Synchronized[int]

    def __call__(self) -> bool:
        """Whether for one."""
        return self.count.value > 0


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    context: Context
    work: Work | None = None


def run_pool(board: Board, context: Context, jobs: int, result: Result, tell: Listener) -> None:
    """Deal the board's work to ``jobs`` processes until nothing is left.

    On ``cuda`` the processes take the devices in turn. A process that dies is replaced; its work is tried again
    when the machine is to blame.
    """
    if not board.open:
        return
    devices = _devices(context.device)
    idle = Idle(multiprocessing.get_context("spawn").Value("i", 0))
    workers = [_start(replace(context, device=devices[i % len(devices)], idle=idle)) for i in range(jobs)]
    processors = usable_cpus()
    try:
        while board.open:
            _deal(board, workers)
            idle.count.value = processors // context.threads - sum(w.work is not None for w in workers)
            busy: list[Any] = [w.pipe for w in workers if w.work is not None]
            if not busy:
                time.sleep(POLL_SECONDS)
                continue
            for pipe in wait(busy, timeout=POLL_SECONDS):
                _hear(next(w for w in workers if w.pipe is pipe), board, result, tell)
    finally:
        for worker in workers:
            _stop(worker)


def _devices(device: str) -> list[str]:
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())] or [device]


def _deal(board: Board, workers: list[_Worker]) -> None:
    for index, worker in enumerate(workers):
        if worker.work is not None:
            continue
        work = board.ready()
        if work is None:
            return
        if not worker.process.is_alive():
            worker.pipe.close()
            worker = workers[index] = _start(worker.context)
        try:
            worker.pipe.send(work)
        except (BrokenPipeError, ConnectionResetError):
            continue  # it died this moment; the next round replaces it
        board.running.add(work.id)
        worker.work = work


def _hear(worker: _Worker, board: Board, result: Result, tell: Listener) -> None:
    work, context = worker.work, worker.context
    assert work is not None
    try:
        event, done, total, said = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(5)
        _bury(worker)
        finish(board, work, context, result, tell, _obituary(worker.process.exitcode))
        return
    if event == "done":
        worker.work = None
        finish(board, work, context, result, tell, said)
    elif event == "waiting":
        worker.work = None
        board.running.discard(work.id)
        board.not_before[work.id] = time.monotonic() + POLL_SECONDS
        tell("waiting", work, 0, 1, said)
    else:
        tell(event, work, done, total, said)


def _bury(worker: _Worker) -> None:
    """A dead worker's claim is dropped at once: nobody has to wait until it goes stale."""
    if worker.work is not None:
        path = claim_path(worker.work, worker.context)
        drop_claim(path, pid=worker.process.pid, host=socket.gethostname())
    worker.work = None


def _obituary(code: int | None) -> Fault:
    if code is None or code >= 0:
        return Fault("error", f"The worker process ended with exit code {code}.")
    name = signal.Signals(-code).name
    if -code in (signal.SIGKILL, signal.SIGTERM):
        return Fault(
            "killed", f"The worker process was killed by {name}" + (" (out of memory?)." if name == "SIGKILL" else ".")
        )
    return Fault("error", f"The worker process crashed with {name}.")


def _start(context: Context) -> _Worker:
    # spawn: forking a process that has run torch threads can deadlock.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, context), name="ttt_bench worker")
    # A new process inherits what is blocked, so Slurm's signals cannot end it before it ignores them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SLURM_SIGNALS if "SLURM_JOB_ID" in os.environ else ())
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return _Worker(process, ours, context)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.work is None:
        worker.process.join(10)
    if worker.process.is_alive():
        worker.process.kill()  # nothing is lost: results are written by rename, progress is saved as it goes
        worker.process.join(10)
    _bury(worker)


def _serve(pipe: Connection, context: Context) -> None:
    """The worker's loop: receive work, do it, answer; ends when the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the scheduler decides what an interrupt means
    if "SLURM_JOB_ID" in os.environ:
        # Slurm signals every process of a task; what preemption and timeout mean is decided by the task itself.
        for number in SLURM_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SLURM_SIGNALS)
    _private_caches(context.cache)
    plugins.use(context.plugins)
    os.environ["OMP_NUM_THREADS"] = str(context.threads)  # for what computes beside torch
    while True:
        try:
            work: Work = pipe.recv()
        except EOFError:
            return
        _serve_one(work, pipe, context)


def _serve_one(work: Work, pipe: Connection, context: Context) -> None:
    from ttt_bench.launch.worker import do

    if is_done(work, context):
        pipe.send(("done", 1, 1, None))
        return
    claim = claim_for(work, context)
    if not claim.acquire():
        pipe.send(("waiting", 0, 1, f"{claim.held_by} works on it"))
        return
    fault = None
    with claim:
        pipe.send(("started", 0, 1, ""))

        def notify(done: int, total: int, text: str) -> None:
            claim.note(done, total)
            pipe.send(("progress", done, total, text))

        try:
            do(work, context, notify)
        except BaseException as error:  # recorded by the scheduler, sys.exit in a method too; the sweep goes on
            fault = Fault.of(error)
    pipe.send(("done", 1, 1, fault))


def _private_caches(cache: Path) -> None:
    """Compilers' caches of one process must not be shared with another's."""
    private = cache / "compiled" / str(os.getpid())
    for variable in ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ.setdefault(variable, str(private))
