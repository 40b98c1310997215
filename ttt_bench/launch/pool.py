"""Worker processes: one piece of work at a time each, dealt by the scheduler, replaced when they die."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ttt_bench.launch.local import POLL_SECONDS, Board, Listener, Result, describe, finish
from ttt_bench.launch.work import Context, Work


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    work: Work | None = None


def run_pool(board: Board, context: Context, jobs: int, result: Result, tell: Listener) -> None:
    """Deal the board's work to ``jobs`` processes until nothing is left."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = replace(context, threads=context.threads or threads)
    workers = [_start(context) for _ in range(jobs)]
    try:
        while board.open:
            _deal(board, workers)
            busy: list[Any] = [w.pipe for w in workers if w.work is not None]
            if not busy:
                time.sleep(POLL_SECONDS)
                continue
            for pipe in wait(busy, timeout=POLL_SECONDS):
                worker = next(w for w in workers if w.pipe is pipe)
                _hear(worker, board, context, result, tell)
                if not worker.process.is_alive():
                    workers[workers.index(worker)] = _start(context)
    finally:
        for worker in workers:
            _stop(worker)


def _deal(board: Board, workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.work is None:
            work = board.ready()
            if work is None:
                return
            board.running.add(work.id)
            worker.work = work
            worker.pipe.send(work)


def _hear(worker: _Worker, board: Board, context: Context, result: Result, tell: Listener) -> None:
    work = worker.work
    assert work is not None
    try:
        event, done, total, text = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(5)
        finish(board, work, context, result, tell, _obituary(worker.process.exitcode))
        worker.work = None
        return
    if event == "done":
        worker.work = None
        finish(board, work, context, result, tell, text)
    elif event == "waiting":
        worker.work = None
        board.running.discard(work.id)
        board.not_before[work.id] = time.monotonic() + POLL_SECONDS
        tell("waiting", work, 0, 1, "another process works on it")
    else:
        tell(event, work, done, total, text)


def _obituary(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        cause = " (out of memory?)" if name == "SIGKILL" else ""
        return f"The worker process was killed by {name}{cause}."
    return f"The worker process ended with exit code {code}."


def _start(context: Context) -> _Worker:
    # spawn: forking a process that has run torch threads can deadlock.
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, context), name="ttt_bench worker")
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    if worker.work is not None:
        worker.process.terminate()
    worker.process.join(10)
    if worker.process.is_alive():
        worker.process.kill()


def _serve(pipe: Connection, context: Context) -> None:
    """The worker's loop: receive work, do it, answer; ends when the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the scheduler decides what an interrupt means
    _private_caches(context.cache)
    if context.threads:
        os.environ["OMP_NUM_THREADS"] = str(context.threads)
    while True:
        try:
            work: Work = pipe.recv()
        except EOFError:
            return
        _serve_one(work, pipe, context)


def _serve_one(work: Work, pipe: Connection, context: Context) -> None:
    from ttt_bench.launch.doing import claim_for, do, is_done

    if is_done(work, context):
        pipe.send(("done", 1, 1, ""))
        return
    claim = claim_for(work, context)
    if not claim.acquire():
        pipe.send(("waiting", 0, 1, ""))
        return
    trace = ""
    with claim:
        pipe.send(("started", 0, 1, ""))

        def notify(done: int, total: int, text: str) -> None:
            claim.note(done, total)
            pipe.send(("progress", done, total, text))

        try:
            do(work, context, notify)
        except Exception as error:  # recorded by the scheduler; the sweep goes on
            trace = describe(error)
    pipe.send(("done", 1, 1, trace))


def _private_caches(cache: Path) -> None:
    """Compilers' caches of one process must not be shared with another's."""
    private = cache / "compiled" / str(os.getpid())
    for variable in ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR"):
        os.environ.setdefault(variable, str(private))
