"""Strategies that a practitioner has: nothing of them needs a label of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ttt_bench.selection.evidence import CleanSource, CorruptedSource, Curves, Nothing, TargetImages
from ttt_bench.selection.strategies.contract import Strategy, Where, mean_curves


class Published(Strategy[Nothing]):
    """The method's own settings."""

    name, looks_at, sees = "published", "nothing", Nothing
    tried: ClassVar[Where] = "nowhere"
    labels: ClassVar[Literal["none"]] = "none"

    def scores(self, evidence: Nothing) -> Curves:
        """None: there is nothing to choose."""
        return {}


class SourceShift(Strategy[CorruptedSource]):
    """Best mean Delta on corrupted held-out source images: the recipe ``tuned``."""

    name, looks_at, sees = "source-shift", "labels of held-out source images under corruption", CorruptedSource
    tried: ClassVar[Where] = "proxies"
    labels: ClassVar[Literal["source"]] = "source"

    def scores(self, evidence: CorruptedSource) -> Curves:
        """Mean over the proxies."""
        return mean_curves(evidence.deltas)


class SourceAccuracy(Strategy[CleanSource]):
    """Best Delta on clean held-out source images: s-acc in the literature; it sees forgetting only."""

    name, looks_at, sees = "source-accuracy", "labels of clean held-out source images", CleanSource
    tried: ClassVar[Where] = "clean"
    labels: ClassVar[Literal["source"]] = "source"

    def scores(self, evidence: CleanSource) -> Curves:
        """As measured."""
        return evidence.deltas


@dataclass(frozen=True)
class Signal(Strategy[TargetImages]):
    """Best value of one signal of ``metrics.signals``."""

    name: str
    looks_at: ClassVar[str] = "target images"
    sees: type[TargetImages] = TargetImages
    tried: ClassVar[Where] = "target"
    labels: ClassVar[Literal["none"]] = "none"

    def scores(self, evidence: TargetImages) -> Curves:
        """The signal's; nothing where its tasks do not exist."""
        return evidence.signals.get(self.name, {})
