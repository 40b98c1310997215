"""What strategies look at. Each gets the one kind it declares, and nothing else can be reached from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt_bench.selection.candidates import Candidate

Curve = npt.NDArray[np.float64]
"""(steps,) one number at each scored step."""
Curves = Mapping[Candidate, Curve]


@dataclass(frozen=True)
class Nothing:
    """No measurement at all."""


@dataclass(frozen=True)
class CorruptedSource:
    """Labels of corrupted held-out source images."""

    deltas: Mapping[Candidate, Sequence[Curve]]
    """Delta on each proxy."""


@dataclass(frozen=True)
class CleanSource:
    """Labels of clean held-out source images."""

    deltas: Curves


@dataclass(frozen=True)
class TargetImages:
    """Predictions for the target's images, without a label."""

    signals: Mapping[str, Curves]
    """Signal -> curves, higher is better; one whose tasks do not exist is missing."""


@dataclass(frozen=True)
class OtherTargets:
    """Target labels of other pairs."""

    deltas: Mapping[Candidate, Sequence[Curve]]
    """Delta on each other pair."""


@dataclass(frozen=True)
class SomeTargetLabels:
    """Labels of the first target images, which are then left out of scoring."""

    deltas: Curves
    """Delta on them, at the last step only: (1,)."""


@dataclass(frozen=True)
class AllTargetLabels:
    """Every label of the target."""

    deltas: Curves


Evidence = Nothing | CorruptedSource | CleanSource | TargetImages | OtherTargets | SomeTargetLabels | AllTargetLabels
