"""What is tried: multiples of a method's published rate, and the values of its tunable options."""

from __future__ import annotations

from dataclasses import dataclass

from ttt_bench.method.info import MethodInfo
from ttt_bench.method.options import Value, settings_text

DECADES = (-6, -4, -2, 0, 2, 4)
"""The grid, in half-decades around the published rate: 0.001 to 100 times it."""
HALVES = tuple(range(DECADES[0] + 1, DECADES[-1], 2))


@dataclass(frozen=True, order=True)
class Candidate:
    """Settings to try. They sort by rate, the smallest first."""

    half: int = 0
    """Half-decades above the published rate."""
    options: tuple[tuple[str, Value], ...] = ()
    """Tunable options off their usual value."""

    @property
    def multiple(self) -> float:
        """Of the published rate."""
        return float(f"{10 ** (self.half / 2):.6g}")

    @property
    def label(self) -> str:
        """``x0.1``, ``x1 (queue=16)``."""
        return f"x{self.multiple:.3g}" + (f" ({settings_text(dict(self.options), ', ')})" if self.options else "")

    @property
    def at_the_edge(self) -> bool:
        """Whether its rate is the grid's smallest or largest."""
        return self.half in (DECADES[0], DECADES[-1])

    def settings(self, info: MethodInfo) -> dict[str, Value]:
        """As explicit options of the method."""
        assert info.native is not None
        key = "lr_per_sample" if info.native.lr_per_sample else "lr"
        # Six digits: 1e-3 x 0.1 is 0.0001 on every machine and in every label.
        rate = float(f"{getattr(info.native, key) * 10 ** (self.half / 2):.6g}")
        return {key: rate, **dict(self.options)}


PUBLISHED = Candidate()
GRID = tuple(Candidate(half) for half in DECADES)


def tunes(info: MethodInfo) -> bool:
    """Whether a method has anything to choose."""
    return info.native is not None and info.adapts


def refinements(best: Candidate, budget: int, info: MethodInfo) -> tuple[Candidate, ...]:
    """What the trials left after the grid are spent on.

    In turn a value of a tunable option at the best rate and a half-decade within the grid, the nearest first and of
    two the smaller: past the grid's edge nothing is tried, the choice says that it is there.

    Args:
        best: of the grid.
        budget: trials in all, the grid's included.
        info: the method.
    """
    rates = [Candidate(half) for half in sorted(HALVES, key=lambda half: (abs(half - best.half), half))]
    options = [
        Candidate(best.half, ((name, value),))
        for name, values in info.card.tunable.items()
        for value in values
        if value != info.options[name]
    ]
    turns: list[Candidate] = []
    while rates or options:
        turns += [queue.pop(0) for queue in (options, rates) if queue]
    return tuple(turns[: max(0, budget - len(GRID))])
