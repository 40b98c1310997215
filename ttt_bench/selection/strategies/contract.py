"""What a strategy is: the evidence it declares, and a score of every candidate made from that alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from ttt_bench.selection.candidates import Candidate
from ttt_bench.selection.evidence import Curve, Curves, Evidence

E = TypeVar("E", bound=Evidence)
Where = Literal["nowhere", "proxies", "clean", "target", "others"]


class Strategy(ABC, Generic[E]):
    """Scores candidates. It is handed one ``E`` and has no way to any other measurement."""

    name: str
    looks_at: ClassVar[str]
    """In words."""
    sees: type[E]
    tried: ClassVar[Where]
    """Where its trials are."""
    oracle: ClassVar[bool] = False
    """It looks at all labels that it is judged by: an upper bound, never bold, never first."""
    labels: ClassVar[Literal["none", "source", "other targets", "target"]]
    """Whose labels it needs."""

    @abstractmethod
    def scores(self, evidence: E) -> Curves:
        """Candidate -> (steps,), higher is better, NaN where it says nothing; one without evidence is missing."""


def mean_curves(curves: Mapping[Candidate, Sequence[Curve]]) -> dict[Candidate, Curve]:
    """The mean over several sets of images; NaN where one of them is: a collapse anywhere counts."""
    return {candidate: np.mean(np.stack(list(each)), axis=0) for candidate, each in curves.items() if len(each)}
