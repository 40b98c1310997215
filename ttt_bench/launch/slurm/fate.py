"""What became of a task that waits and runs no more, and whether starting it again could help."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ttt_bench.launch.slurm import commands
from ttt_bench.launch.slurm.commands import End
from ttt_bench.launch.slurm.submissions import Element

STARTED = "started: "
"""How a task's log tells that a piece of work began."""
TAIL_LINES = 50
OUTSIDE = ("CANCELLED", "PREEMPTED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "REVOKED")
"""States that somebody or something else brought about; the task itself may be sound."""
ECHO = re.compile(r"srun: (error: .*(Exited with|Terminated|Killed)|Terminating|launch/slurm|Job step aborted)")
"""Lines in which srun only repeats that a task ended."""


@dataclass(frozen=True)
class Fate:
    """How a task ended."""

    job: str
    state: str
    """As the accounting says; empty where there is none."""
    exit_code: str
    said: str
    """The last telling line of its log; empty without one."""
    began: bool
    """Whether any of its work began."""

    @property
    def stillborn(self) -> bool:
        """Whether it died of itself before any work began, as the same task would again."""
        return not self.began and self.state not in OUTSIDE and bool(self.said or self.state)

    def __str__(self) -> str:
        code = f", exit code {self.exit_code}" if self.exit_code not in ("", "0:0") else ""
        said = f"; its log ends: {self.said}" if self.said else ""
        return f"job {self.job} {self.state or 'ended'}{code}{said}"


def fates(elements: Iterable[Element]) -> dict[str, Fate]:
    """What became of tasks that are not in the queue, by job element."""
    dead = {element.job: element for element in elements}
    known = commands.ended(sorted(dead))
    return {job: _fate(element, known.get(job, End(""))) for job, element in dead.items()}


def _fate(element: Element, end: End) -> Fate:
    began, last = False, deque[str](maxlen=TAIL_LINES)
    try:
        with element.log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                began = began or STARTED in line
                last.append(line)
    except OSError:
        pass  # never written: the task did not come so far, which is what is to be told
    lines = [said for line in last if (said := "".join(filter(str.isprintable, line)).strip())]
    telling = [line for line in lines if not ECHO.match(line)] or lines
    return Fate(element.job, end.state, end.exit_code, telling[-1] if telling else "", began)
