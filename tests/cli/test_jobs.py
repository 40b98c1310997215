"""How many workers a sweep starts when nobody says: what fits on the processors, and never more than there is to do."""

from __future__ import annotations

import pytest

from ttt_bench.cli import sweep as command
from ttt_bench.plan.work import Context


class Piece:
    """Work as far as counting it goes."""

    goal = True


@pytest.mark.parametrize(
    ("computes_on", "goals", "done", "processors", "threads", "workers"),
    [
        ("cpu", 10, 0, 2, 1, 2),
        ("cpu", 10, 0, 2, 2, 1),
        ("cpu", 10, 0, 64, 1, 4),
        ("cpu", 10, 8, 64, 1, 2),
        ("cpu", 10, 9, 64, 1, 1),
        ("cpu", 10, 0, 1, 1, 1),
        ("cuda", 10, 0, 64, 1, 1),
    ],
)
def test_workers_fit_on_the_processors(monkeypatch, tmp_path, computes_on, goals, done, processors, threads, workers):
    monkeypatch.setattr(command, "usable_cpus", lambda: processors)
    monkeypatch.setattr(command, "done_of", lambda works, context: set(range(done)))
    context = Context(tmp_path, tmp_path, {}, device=computes_on, threads=threads)
    assert command._fitting(context, [Piece()] * goals) == workers
