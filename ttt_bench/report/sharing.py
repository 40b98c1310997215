"""Pieces of a report's work that several processes do: this one from the last on, others from the first."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, TypeVar

from ttt_bench import plugins
from ttt_bench.machine import die_with_parent, reuse_freed_memory

T = TypeVar("T")


@dataclass(frozen=True)
class Open:
    """The pieces that nobody has begun, shared by all processes at it."""

    bounds: SynchronizedArray[int]
    """The first of them, and the one after the last."""

    @classmethod
    def all_of(cls, count: int) -> Open:
        """None of ``count`` has been begun."""
        return cls(multiprocessing.get_context("spawn").Array("i", (0, count)))

    def first(self) -> int | None:
        """Take the first; None: all have been begun."""
        return self._taken(0, 1)

    def last(self) -> int | None:
        """Take the last; None: all have been begun."""
        return self._taken(1, -1)

    def close(self) -> None:
        """Nobody shall begin another."""
        with self.bounds.get_lock():
            self.bounds[0] = self.bounds[1]

    def _taken(self, end: int, step: int) -> int | None:
        with self.bounds.get_lock():
            first, last = self.bounds[:]
            if first >= last:
                return None
            self.bounds[end] += step
        return first if end == 0 else last - 1


def can_share(workers: int) -> bool:
    """Whether this process may start others, and is asked to."""
    return workers > 1 and not multiprocessing.current_process().daemon


def shared(count: int, do: Callable[[int], T], others: int) -> Iterator[tuple[int, T]]:
    """Do ``count`` pieces here and in ``others`` processes; each with what it gave, in no particular order.

    A process costs about a second to start, and what a piece gives is pickled.

    Args:
        count: pieces are numbered from 0.
        do: does one of them; is pickled.
        others: further processes at most.

    Raises:
        BrokenProcessPool: one of them died (out of memory, or killed); what it was at has not been given.
    """
    left = Open.all_of(count)
    # Not fork: the caller may have loaded torch, whose threads and locks do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(others, count), context, _ready, (plugins.in_use(), left, do)) as pool:
        asked: list[Future[tuple[int, Any] | None]] = [pool.submit(_do_next) for _ in range(count)]
        heard = 0
        try:
            while (number := left.last()) is not None:
                yield number, do(number)
                while heard < count and asked[heard].done():
                    yield from _given(asked[heard])
                    heard += 1
            for future in asked[heard:]:
                yield from _given(future)
        finally:
            left.close()  # or others would do what an error or an interrupt here has made useless


def _given(future: Future[tuple[int, T] | None]) -> Iterator[tuple[int, T]]:
    found = future.result()
    if found is not None:
        yield found


def _ready(files: Mapping[plugins.Kind, Sequence[Path]], left: Open, do: Callable[[int], Any]) -> None:
    """Make a new process like the one that started it: tasks given by their files are known in it too."""
    global _mine
    die_with_parent()
    reuse_freed_memory()
    plugins.use(files)
    _mine = left, do


_mine: tuple[Open, Callable[[int], Any]] | None = None


def _do_next() -> tuple[int, Any] | None:
    """The next piece, if there is one left."""
    assert _mine is not None, "the pool prepares its processes"
    left, do = _mine
    number = left.first()
    return None if number is None else (number, do(number))
