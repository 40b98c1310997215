"""What a table decides, in words made from its statistics only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ttt_bench.statistics.comparison import ALPHA
from ttt_bench.statistics.resampling import Interval


@dataclass(frozen=True)
class Standing:
    """One row against the ``bn`` control."""

    name: str
    over_bn: Interval
    """Delta minus the control's, in points."""
    p_holm: float
    seeds_needed: int | None

    @property
    def side(self) -> str:
        """``above``, ``below`` or ``unclear``."""
        if math.isfinite(self.p_holm) and self.p_holm < ALPHA:
            return "above" if self.over_bn.estimate > 0 else "below"
        return "unclear"


def verdict(standings: Sequence[Standing], runs: int) -> str:
    """Who is above ``bn``, who is below, who cannot be told from it, and how much more data would tell.

    Args:
        standings: every adapting row of one table.
        runs: seeds behind it.
    """
    if not standings:
        return "Nothing was compared with re-estimated batch-norm statistics (bn)."
    sides = {side: [s for s in standings if s.side == side] for side in ("above", "below", "unclear")}
    parts = []
    above = sorted(sides["above"], key=lambda s: -s.over_bn.estimate)
    if above:
        parts.append(f"Above re-estimated batch-norm statistics (bn): {', '.join(map(_told, above))}.")
    else:
        parts.append("No method is above re-estimated batch-norm statistics (bn).")
    below = sorted(sides["below"], key=lambda s: s.over_bn.estimate)
    if below:
        parts.append(f"Below: {', '.join(map(_told, below))}.")
    if sides["unclear"]:
        parts.append(f"Not to be told from bn: {', '.join(map(_told, sides['unclear']))}.")
        parts.append(_more_data(sides["unclear"], runs))
    if runs == 1:
        parts.append("One seed: the intervals say how sure this holds within this run, not over runs.")
    return " ".join(part for part in parts if part)


def _told(standing: Standing) -> str:
    over = standing.over_bn
    if not math.isfinite(over.low):
        return standing.name
    return f"{standing.name} ({over.estimate:+.2f} [{over.low:+.2f}, {over.high:+.2f}])"


def _more_data(unclear: Sequence[Standing], runs: int) -> str:
    known = [(s.seeds_needed, s.name) for s in unclear if s.seeds_needed is not None]
    if not known:
        return "" if runs >= 3 else "Three seeds or more would say how many are needed."
    fewest, name = min(known)
    return f"At the observed difference {name} would need {fewest} seeds." if fewest > runs else ""


def overall(tables: Sequence[Sequence[Standing]]) -> str:
    """In how many tables each row is above ``bn`` and below it.

    Args:
        tables: the standings of each.

    Returns:
        Empty where fewer than two tables were compared: such a table speaks for itself.
    """
    known = [standings for standings in tables if standings]
    if len(known) < 2:
        return ""
    names = dict.fromkeys(s.name for standings in known for s in standings)
    sides = {name: [s.side for standings in known for s in standings if s.name == name] for name in names}
    parts = [f"Over {len(known)} tables:"]
    above = [f"{name} in {found.count('above')} of {len(found)}" for name, found in sides.items() if "above" in found]
    below = [f"{name} in {found.count('below')} of {len(found)}" for name, found in sides.items() if "below" in found]
    never = [name for name, found in sides.items() if set(found) == {"unclear"}]
    parts.append(f"above bn {', '.join(above)}." if above else "no method is above bn in any.")
    parts += [f"Below: {', '.join(below)}."] if below else []
    parts += [f"Never to be told from bn: {', '.join(never)}."] if never else []
    return " ".join(parts)
