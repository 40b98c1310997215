"""Several domains as one target: what a stream brings one after the other, or mixed. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from ttt_bench.domains.contract import Domain, Sample, Split
from ttt_bench.errors import UserError

NEXT = ">"
"""Between the parts in a written name: ``rooms/fog>rooms/dusk``."""


class Joined(Domain):
    """Domains in a fixed order, each with all its samples, those of the first one first.

    It has the tasks and classes that all of them have, in the order of the first.

    Args:
        parts: at least two, of one size.
        name: as written; the names of the parts when not given.

    Raises:
        UserError: they share no task.
    """

    def __init__(self, parts: Sequence[Domain], name: str = "") -> None:
        first = parts[0]
        self.parts = tuple(parts)
        self.name = name or NEXT.join(part.name for part in parts)
        self.tasks = tuple(task for task in first.tasks if all(task in part.tasks for part in parts))
        self.classes = tuple(c for c in first.classes if all(c in part.classes for part in parts))
        self.size, self.scaling = first.size, first.scaling
        self.edge_definition = first.edge_definition
        if not self.tasks:
            said = "; ".join(f"{part.name} has {', '.join(part.tasks)}" for part in parts)
            raise UserError(f"The targets of {self.name} share no task.", f"{said}.")

    def length(self, split: Split) -> int:
        """Of all parts together."""
        return sum(part.length(split) for part in self.parts)

    def sample(self, split: Split, index: int) -> Sample:
        """Sample ``index``, as its part gives it: class ids are the part's own."""
        part, within = self._place(split, index)
        return part.sample(split, within)

    def scene(self, split: Split, index: int) -> str:
        """As its part says."""
        part, within = self._place(split, index)
        return part.scene(split, within)

    def sample_key(self, split: Split, index: int) -> str:
        """As its part says."""
        part, within = self._place(split, index)
        return part.sample_key(split, within)

    def left_out(self) -> frozenset[str]:
        """Those of the parts."""
        return frozenset[str]().union(*(part.left_out() for part in self.parts))

    def _place(self, split: Split, index: int) -> tuple[Domain, int]:
        self.check_index(split, index)
        ends = list(accumulate(part.length(split) for part in self.parts))
        number = next(n for n, end in enumerate(ends) if index < end)
        return self.parts[number], index - (ends[number - 1] if number else 0)

    def notes(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(dict.fromkeys(note for part in self.parts for note in part.notes()))

    def doubts(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(dict.fromkeys(doubt for part in self.parts for doubt in part.doubts()))

    def content(self) -> Any:
        """The fingerprints of the parts, in their order."""
        return {"joined": [part.fingerprint() for part in self.parts]}


def parts_of(domain: Domain) -> tuple[Domain, ...]:
    """The domains that ``domain`` joins, or itself alone."""
    return domain.parts if isinstance(domain, Joined) else (domain,)
