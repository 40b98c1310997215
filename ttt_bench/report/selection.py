"""Which recorded step a number is read at: four rules, three honest and one oracle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

DEFAULT_FIXED_STEP = 10
STOP_SHARE = 0.01
"""The label-free rule stops once an update lowers the loss by no more than this share of its first drop."""


@dataclass(frozen=True)
class Selection:
    """One rule for reading a trajectory at a single step."""

    id: str
    title: str
    rule: str
    oracle: bool = False
    """It looks at target labels: shown in grey italics, never bold."""


SELECTIONS: tuple[Selection, ...] = (
    Selection("last", "last", "the last recorded step"),
    Selection("fixed", "fixed", "one step for all methods, set by --fixed-step (default: 10, or the last)"),
    Selection(
        "label_free",
        "label-free",
        "the first step after which one more update lowers the method's own loss (mean over the batches) "
        "by at most 1 % of what the first update did; the last step for a method without a loss. In `online` "
        "the mean runs over the whole stream, so the rule needs no label but is applied afterwards",
    ),
    Selection("best", "best†", "the step with the largest Δ on the target labels: an oracle", oracle=True),
)


def label_free_step(loss: npt.ArrayLike, share: float = STOP_SHARE) -> int | None:
    """The step after which a method's own loss stops falling.

    Args:
        loss: (updates,) mean loss at each update; entry k is the loss of the weights after k updates.
        share: of the first drop; a later drop no larger than this counts as none.

    Returns:
        The number of updates after which to stop: 0 if the first one did not lower the loss at all, the
        number of all updates if it never stops falling, None if there is no loss to go by.
    """
    curve = np.asarray(loss, dtype=np.float64)
    if curve.size < 2 or not np.isfinite(curve).all():
        return None
    drops = curve[:-1] - curve[1:]
    stalled = np.flatnonzero(drops <= max(share * drops[0], 0.0))
    return int(stalled[0]) if stalled.size else int(curve.size)


def select_columns(steps: Array, loss: Array, delta: Array, fixed_step: int) -> dict[str, int | None]:
    """Selection id -> column of the trajectory, None where the rule cannot be applied (no Delta to look at).

    A step that was not evaluated is read at the last evaluated one before it, never at a later one.

    Args:
        steps: (columns,) evaluated steps, increasing.
        loss: (updates,) see ``label_free_step``.
        delta: (columns,) Delta at each of them, for the oracle alone.
        fixed_step: for ``fixed``.
    """
    last = len(steps) - 1
    stop = label_free_step(loss)
    finite = np.isfinite(delta)
    best = None
    if finite.any():
        top = delta[finite].max()
        best = int(np.flatnonzero(finite & (delta >= top - 1e-9))[0])
    return {
        "last": last,
        "fixed": _column(steps, fixed_step),
        "label_free": last if stop is None else _column(steps, stop),
        "best": best,
    }


def _column(steps: Array, step: int) -> int:
    return max(int(np.searchsorted(steps, step, side="right")) - 1, 0)
