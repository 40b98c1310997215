"""Executing a plan on this machine: a scheduler over one in-process worker or several worker processes."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Literal

from ttt_bench.errors import UserError
from ttt_bench.launch.board import Board
from ttt_bench.machine import check_threads
from ttt_bench.plan.artifacts import claim_for, is_done, serves, set_damaged_aside, standing
from ttt_bench.plan.work import Context, Work
from ttt_bench.sealed import DamagedError
from ttt_bench.store.failures import Kind, kind_of
from ttt_bench.store.folder import SweepFolder

Event = Literal["started", "progress", "done", "failed", "retrying", "skipped", "waiting"]
Listener = Callable[[Event, Work, int, int, str], None]
"""Called with (event, work, done, total, text)."""

POLL_SECONDS = 1.0


@dataclass
class Result:
    """What became of a plan's work."""

    done: int = 0
    skipped: int = 0
    """Already there."""
    failed: list[tuple[Work, str]] = field(default_factory=list)
    """(work, last line of its traceback)."""
    blocked: list[Work] = field(default_factory=list)
    """Never started because something it needs failed."""

    def add(self, other: Result) -> None:
        """Count in what became of other work."""
        self.done += other.done
        self.skipped += other.skipped
        self.failed += other.failed
        self.blocked += other.blocked


@dataclass(frozen=True)
class Fault:
    """What went wrong, and whose fault it is."""

    kind: Kind
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """The message for the user's errors, the whole traceback for all others."""
        if isinstance(error, UserError):
            # What is damaged has been set aside and is made again, so nobody has to ask for another attempt.
            kind: Kind = "blocked" if isinstance(error, DamagedError) else "error"
            return cls(kind, f"{getattr(error, 'trace', '')}{error.message} {error.hint}".strip())
        trace = "".join(traceback.format_exception(error))
        if not isinstance(error, Exception):
            trace += f"{type(error).__name__}({error}): the code of this work asked the program to end; it goes on."
        return cls(kind_of(error), trace)


def execute(
    works: Iterable[Work], context: Context, jobs: int = 1, listener: Listener | None = None,
    retry_failed: bool = True, keep_idle: bool = False,
) -> Result:  # fmt: skip
    """Do all ``works`` that are not done yet; a failing one never stops the others.

    Args:
        works: from ``lay_out``; dependencies first.
        context: where and with what.
        jobs: worker processes; 1 works in this process.
        listener: told about everything that happens.
        retry_failed: whether work that failed in an earlier sweep is tried again.
        keep_idle: do trainings even when no open cell needs them.

    Raises:
        UserError: there are fewer processors than the plan's threads.
    """
    check_threads(context.threads)
    result = Result()
    tell: Listener = listener or (lambda *_: None)
    board = Board.of(works)
    _strike_done(board, context, result, tell, retry_failed, keep_idle)
    if jobs <= 1:
        _run_here(board, context, result, tell)
    else:
        from ttt_bench.launch.pool import run_pool

        run_pool(board, context, jobs, result, tell)
    return result


def _strike_done(
    board: Board, context: Context, result: Result, tell: Listener, retry_failed: bool, keep_idle: bool
) -> None:
    _settle(board, [w for w in board.open.values() if w.goal], context, result, tell, retry_failed)
    # Source models and data are only needed by what is still open.
    while not keep_idle:
        needed = set().union(*(w.needs for w in board.open.values())) if board.open else set()
        idle = [w for w in board.open.values() if not w.goal and w.id not in needed]
        if not idle:
            break
        for work in idle:
            _strike(board, work, result, tell)
    for work in board.open.values():
        set_damaged_aside(work, context)
    _settle(board, [w for w in board.open.values() if not w.goal], context, result, tell, retry_failed)
    for work, error in list(result.failed):
        _block(board, work, error, context, result)


def _block(board: Board, failed: Work, error: str, context: Context, result: Result) -> None:
    """Take what needs ``failed`` off the board, with the reason on record; what it has left behind still serves."""
    for work in list(board.open.values()):
        if failed.id in work.needs and serves(failed, work, context):
            board.open[work.id] = replace(work, needs=work.needs - {failed.id})
    blocked = board.blocked_by({failed.id})
    for work in blocked:
        reason = f"It needs {failed.label}, which failed: {error}"
        SweepFolder(context.folder).fail(work.id, work.label, reason, "blocked")
    result.blocked += blocked


def _settle(
    board: Board, works: list[Work], context: Context, result: Result, tell: Listener, retry_failed: bool
) -> None:
    """Take what of ``works`` is done or given up off the board."""
    now = standing(works, context)
    given_up = now.given_up(retry_failed)
    for work in works:
        if work.id in now.done:
            _strike(board, work, result, tell)
        elif work.id in given_up:
            del board.open[work.id]
            result.failed.append((work, given_up[work.id].error))


def _strike(board: Board, work: Work, result: Result, tell: Listener) -> None:
    del board.open[work.id]
    board.finished.add(work.id)
    if work.goal:
        result.skipped += 1
        tell("skipped", work, 1, 1, "already there")


def _run_here(board: Board, context: Context, result: Result, tell: Listener) -> None:
    with Interrupts() as interrupts:
        while board.open:
            work = board.ready()
            if work is None:
                time.sleep(POLL_SECONDS)
            else:
                _do_one(work, board, context, result, tell, interrupts)


class Interrupts:
    """Tells an interrupt from the keyboard from one that the code of a method raises."""

    seen = False

    def __enter__(self) -> Interrupts:
        self._before = signal.getsignal(signal.SIGINT)
        self._ours = threading.current_thread() is threading.main_thread() and callable(self._before)
        if self._ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        if callable(self._before):
            self._before(number, frame)

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)


def _do_one(work: Work, board: Board, context: Context, result: Result, tell: Listener, interrupts: Interrupts) -> None:
    from ttt_bench.launch.worker import do  # loads torch, which a finished sweep never needs

    if is_done(work, context):
        finish(board, work, context, result, tell)
        return
    claim = claim_for(work, context)
    if not claim.acquire():
        board.not_before[work.id] = time.monotonic() + POLL_SECONDS
        tell("waiting", work, 0, 1, f"{claim.held_by} works on it")
        return
    with claim:
        tell("started", work, 0, 1, "")
        fault = None
        try:
            do(work, context, _noting(claim.note, work, tell))
        except BaseException as error:  # recorded, sys.exit in a method too; the sweep goes on
            if interrupts.seen or isinstance(error, GeneratorExit):
                raise
            fault = Fault.of(error)
    finish(board, work, context, result, tell, fault)


def _noting(note: Callable[[int, int], None], work: Work, tell: Listener) -> Callable[[int, int, str], None]:
    def notify(done: int, total: int, text: str) -> None:
        note(done, total)
        tell("progress", work, done, total, text)

    return notify


def finish(
    board: Board, work: Work, context: Context, result: Result, tell: Listener, fault: Fault | None = None
) -> None:
    """Take ``work`` off the board; what the machine is to blame for comes back, a few times."""
    folder = SweepFolder(context.folder)
    if fault is not None:
        failure = folder.fail(work.id, work.label, fault.trace, fault.kind)
        if failure.retried and failure.kind != "blocked":
            board.later(work)
            tell("retrying", work, 0, 1, f"{failure.error} It is tried again (attempt {failure.attempt + 1}).")
            return
    board.open.pop(work.id, None)
    board.running.discard(work.id)
    if fault is None:
        board.finished.add(work.id)
        result.done += 1
        folder.forgive(work.id)
        tell("done", work, 1, 1, "")
        return
    result.failed.append((work, failure.error))
    tell("failed", work, 0, 1, failure.error)
    _block(board, work, failure.error, context, result)
