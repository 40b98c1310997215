"""What of a plan is still to do, what is in work, what is over."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ttt_bench.plan.work import Work


@dataclass
class Board:
    """What is still to do, what is in work, what is over."""

    open: dict[str, Work]
    finished: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    not_before: dict[str, float] = field(default_factory=dict)
    """Work that another process holds, with the time to look again."""

    @classmethod
    def of(cls, works: Iterable[Work]) -> Board:
        """A board with all of ``works`` open."""
        return cls({work.id: work for work in works})

    def ready(self) -> Work | None:
        """The first open work whose needs are all finished."""
        now = time.monotonic()
        for work in self.open.values():
            waiting = self.not_before.get(work.id, 0.0) > now
            if work.id not in self.running and not waiting and work.needs <= self.finished:
                return work
        return None

    def later(self, work: Work) -> None:
        """Put ``work`` back, behind everything else."""
        self.running.discard(work.id)
        self.open.pop(work.id, None)
        self.open[work.id] = work

    def blocked_by(self, failed: set[str]) -> list[Work]:
        """Open work that needs failed work, directly or through other blocked work; removed from the board."""
        dead = set(failed)
        blocked: list[Work] = []
        while True:
            more = [w for w in self.open.values() if w.needs & dead and w.id not in self.running]
            if not more:
                return blocked
            for work in more:
                del self.open[work.id]
                dead.add(work.id)
            blocked += more
