"""Strategies that see labels of a target: of other pairs, of some images, of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ttt_bench.selection.evidence import AllTargetLabels, Curves, OtherTargets, SomeTargetLabels
from ttt_bench.selection.strategies.contract import Strategy, Where, mean_curves


class OtherPairs(Strategy[OtherTargets]):
    """Best mean Delta on the other pairs, a pair never sees itself: c-acc in the literature."""

    name, looks_at, sees = "other-pairs", "target labels of other pairs", OtherTargets
    tried: ClassVar[Where] = "others"
    labels: ClassVar[Literal["other targets"]] = "other targets"

    def scores(self, evidence: OtherTargets) -> Curves:
        """Mean over the other pairs."""
        return mean_curves(evidence.deltas)


@dataclass(frozen=True)
class FewLabels(Strategy[SomeTargetLabels]):
    """Best Delta on the first images, which are then left out of scoring; at the last step only."""

    images: int
    looks_at: ClassVar[str] = "labels of N target images, left out of scoring"
    sees: type[SomeTargetLabels] = SomeTargetLabels
    tried: ClassVar[Where] = "target"
    labels: ClassVar[Literal["target"]] = "target"

    @property
    def name(self) -> str:  # type: ignore[override]
        """With the number of images."""
        return f"few-labels:{self.images}"

    def scores(self, evidence: SomeTargetLabels) -> Curves:
        """As measured on those images."""
        return evidence.deltas


class Oracle(Strategy[AllTargetLabels]):
    """Best Delta on all that it is judged by: what could be reached at most."""

    name, looks_at, sees = "oracle", "all target labels", AllTargetLabels
    tried: ClassVar[Where] = "target"
    oracle: ClassVar[bool] = True
    labels: ClassVar[Literal["target"]] = "target"

    def scores(self, evidence: AllTargetLabels) -> Curves:
        """As measured."""
        return evidence.deltas
