"""What the machine breaks is tried again a few times and counted; what the code breaks is not."""

import os
import signal

import pytest

from ttt_bench.launch import local, pool
from ttt_bench.launch.board import Board
from ttt_bench.launch.local import Fault, Result
from ttt_bench.plan.work import Adapt, Context
from ttt_bench.store.failures import ATTEMPTS, KINDS, kind_of
from ttt_bench.store.folder import SweepFolder


class OutOfMemoryError(RuntimeError):
    """As torch.cuda names its own."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out-of-memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out-of-memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out-of-memory"),
        (RuntimeError("CUDA error: device-side assert triggered"), "error"),
        (ValueError("no"), "error"),
    ],
)
def test_exceptions_have_kinds(error, kind):
    assert kind_of(error) == kind
    assert Fault.of(error).kind == kind


def test_torch_s_own_error_is_known():
    import torch

    assert kind_of(torch.cuda.OutOfMemoryError("no room")) == "out-of-memory"


@pytest.mark.parametrize(
    ("code", "kind"),
    [(-signal.SIGKILL, "killed"), (-signal.SIGTERM, "killed"), (-signal.SIGSEGV, "error"), (1, "error")],
)
def test_deaths_have_kinds(code, kind):
    assert pool._obituary(code).kind == kind


def test_every_kind_is_bounded_and_errors_are_never_repeated(tmp_path):
    folder = SweepFolder(tmp_path)
    for kind in KINDS:
        starts = 1
        while folder.fail(kind, "label", "trace", kind).retried and kind != "blocked":
            starts += 1
        assert starts == ATTEMPTS[kind]
        assert folder.failure(kind).kind == kind
    assert ATTEMPTS["error"] == 1


def test_preemptions_do_not_use_up_the_attempts_of_other_failures(tmp_path):
    folder = SweepFolder(tmp_path)
    for _ in range(5):
        folder.fail("c", "label", "preempted", "preempted")
    failure = folder.fail("c", "label", "killed", "killed")
    assert failure.retried
    assert failure.attempt == 6
    assert folder.failure("c").counts == {"preempted": 5, "killed": 1}


WORK = Adapt("w1", "a cell", cell=None)


def execute(tmp_path, monkeypatch, script, jobs=1):
    """Run two pieces of work in real worker processes whose ``do`` is ``script``."""
    module = tmp_path / "scripted.py"
    module.write_text(SCRIPT.format(body=script))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(local, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(pool, "POLL_SECONDS", 0.05)
    import importlib

    scripted = importlib.reload(importlib.import_module("scripted"))
    monkeypatch.setattr(pool, "_serve_one", scripted.serve_one)
    monkeypatch.setattr(pool, "_serve", scripted.serve)
    events, result = [], Result()
    context = Context(tmp_path / "sweep", tmp_path / "cache", {})
    board = Board.of([WORK, Adapt("w2", "another cell", cell=None)])
    pool.run_pool(board, context, jobs, result, lambda event, work, *_: events.append((event, work.id)))
    return result, events, SweepFolder(context.folder)


SCRIPT = '''
import os, signal
from pathlib import Path
from ttt_bench.plan.artifacts import claim_for

def starts(context, work):
    """Count this start."""
    path = Path(context.cache) / f"{{work.id}}.starts"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("x")
    return len(path.read_text())

def serve_one(work, pipe, context):
    claim = claim_for(work, context)
    if not claim.acquire():
        pipe.send(("waiting", 0, 1, ""))
        return
    start = starts(context, work)
    pipe.send(("started", 0, 1, ""))
    if work.id == "w1":
        {body}
    claim.release()
    pipe.send(("done", 1, 1, None))

def serve(pipe, context):
    while True:
        try:
            work = pipe.recv()
        except EOFError:
            return
        serve_one(work, pipe, context)
'''


def test_a_killed_worker_s_cell_is_tried_again_without_waiting_for_its_claim(tmp_path, monkeypatch):
    script = "if start == 1: os.kill(os.getpid(), signal.SIGKILL)"
    result, events, folder = execute(tmp_path, monkeypatch, script)
    assert (result.done, result.failed) == (2, [])
    assert events.index(("retrying", "w1")) < events.index(("done", "w2")) < events.index(("done", "w1"))
    assert ("waiting", "w1") not in events
    assert folder.failed() == set()


def test_a_cell_that_always_kills_its_worker_is_given_up_after_three_starts(tmp_path, monkeypatch):
    result, events, folder = execute(tmp_path, monkeypatch, "os.kill(os.getpid(), signal.SIGKILL)", jobs=2)
    assert [work.id for work, _ in result.failed] == ["w1"]
    assert result.done == 1
    assert events.count(("retrying", "w1")) == 2
    assert (tmp_path / "cache/w1.starts").read_text() == "xxx"
    failure = folder.failure("w1")
    assert (failure.kind, failure.attempt) == ("killed", 3)
    assert "SIGKILL (out of memory?)" in failure.error


def test_a_crash_of_the_code_is_not_tried_again(tmp_path, monkeypatch):
    result, events, folder = execute(tmp_path, monkeypatch, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert [work.id for work, _ in result.failed] == ["w1"]
    assert ("retrying", "w1") not in events
    assert folder.failure("w1").kind == "error"
    assert result.done == 1, "a crash takes no other work with it"


def test_a_later_sweep_takes_up_what_the_machine_broke_but_not_what_the_code_broke(tmp_path, monkeypatch):
    context = Context(tmp_path, tmp_path / "cache", {})
    folder = SweepFolder(tmp_path)
    folder.fail("w1", "a cell", "The worker process was killed.", "killed")
    folder.fail("w2", "another cell", "ValueError: no")
    for _ in range(3):
        folder.fail("w3", "a third", "MemoryError", "out-of-memory")
    done = []
    monkeypatch.setattr("ttt_bench.launch.worker.do", lambda work, *_: done.append(work.id))
    works = [WORK, Adapt("w2", "another cell", cell=None), Adapt("w3", "a third", cell=None)]
    result = local.execute(works, context, retry_failed=False)
    assert done == ["w1"]
    assert {work.id for work, _ in result.failed} == {"w2", "w3"}
    assert os.listdir(tmp_path / "claims") == []  # noqa: PTH208
