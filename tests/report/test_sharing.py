"""Work that several processes share: every piece once, wherever it is done, and nobody waits for the dead."""

from __future__ import annotations

import os
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import pytest

from ttt_bench.report import sharing
from ttt_bench.report.sharing import Open, can_share, shared

POWER = partial(pow, 2)
"""Gives 2 to the power of a piece's number."""


def test_every_piece_is_taken_once_from_either_end():
    left = Open.all_of(5)
    assert [left.first(), left.last(), left.last(), left.first(), left.first()] == [0, 4, 3, 1, 2]
    assert left.first() is left.last() is None


@pytest.mark.parametrize("count", [1, 40])
def test_what_is_done_here_and_elsewhere_is_everything(count):
    assert sorted(shared(count, POWER, 1)) == [(number, 2**number) for number in range(count)]


def test_all_is_done_elsewhere_while_this_process_is_busy(monkeypatch):
    monkeypatch.setattr(Open, "last", lambda left: None)
    assert sorted(shared(6, POWER, 2)) == [(number, 2**number) for number in range(6)]


def test_what_goes_wrong_elsewhere_is_raised_here(monkeypatch):
    monkeypatch.setattr(Open, "last", lambda left: None)
    with pytest.raises(ZeroDivisionError):
        list(shared(3, partial(divmod, 1), 1))


def test_an_error_here_ends_all_of_it(monkeypatch):
    made = []
    monkeypatch.setattr(
        Open, "all_of", classmethod(lambda cls, count, real=Open.all_of: made.append(real(count)) or made[0])
    )
    with pytest.raises(IndexError):
        list(shared(1000, [0].__getitem__, 1))  # the last, which this process begins with, is not there
    assert made[0].first() is None


def test_a_process_that_dies_is_noticed(monkeypatch):
    monkeypatch.setattr(sharing, "_do_next", os.abort)
    with pytest.raises(BrokenProcessPool):
        list(shared(3, POWER, 1))


def test_who_may_start_processes():
    assert can_share(2)
    assert not can_share(1)
