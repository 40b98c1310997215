"""Why work failed: the code's fault, or the machine's. Only the latter is tried again without being asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["error", "blocked", "out-of-memory", "killed", "node-loss", "preempted", "timeout"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ATTEMPTS: dict[Kind, int] = {
    "error": 1,
    "blocked": 1,
    "out-of-memory": 3,
    "killed": 3,
    "node-loss": 3,
    # Such work goes on from its last saved step, so each attempt comes nearer to the end.
    "preempted": 20,
    "timeout": 20,
}
"""How often work may fail in one way before somebody has to ask for it to be tried again."""


@dataclass(frozen=True)
class Failure:
    """Why the last attempt at a piece of work failed."""

    cell_id: str
    """The cell, or the training that cells need."""
    label: str
    error: str
    """Last line of the traceback."""
    traceback: str
    attempt: int
    """How often it has been tried, whatever ended it."""
    kind: Kind = "error"
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often it failed, by kind: many preemptions must not use up what a lost node may cost."""

    @property
    def retried(self) -> bool:
        """Whether the next sweep tries it again by itself; work blocked by other work follows that work."""
        return self.kind == "blocked" or self.counts.get(self.kind, 1) < ATTEMPTS[self.kind]


def kind_of(error: BaseException) -> Kind:
    """The kind of failure that an exception tells of.

    CUDA's error is known by its name, so that nobody has to load torch to ask.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error)
    if names & {"MemoryError", "OutOfMemoryError"} or "can't allocate memory" in text or "CUDA out of memory" in text:
        return "out-of-memory"
    return "error"
