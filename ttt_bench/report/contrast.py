"""Two sweeps side by side: cells that answer the same question, the fields they differ in, and what that does to Δ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttt_bench.names import shown
from ttt_bench.report.entries import number
from ttt_bench.report.groups import flat
from ttt_bench.report.page.model import Section
from ttt_bench.report.result import Report
from ttt_bench.report.runs import Run
from ttt_bench.report.scoring import Scored

ABSENT = "(not there)"
MOST_SAID = 60
"""Characters of a value in a line."""
_VARIES = ("wall_seconds", "time")
Difference = tuple[str, str, str]
"""Field, in A, in B."""


@dataclass(frozen=True)
class Match:
    """A cell of each sweep that answer the same question, as nearly as there are any."""

    name: str
    a: Scored
    b: Scored
    differences: tuple[Difference, ...]

    @property
    def same_numbers(self) -> bool:
        """Whether all metrics agree at all steps, to seven digits."""
        return not apart(self.a.run, self.b.run, rtol=1e-7, atol=0.0)


@dataclass(frozen=True)
class Contrast:
    """All that differs between two sweeps."""

    a: str
    b: str
    matches: tuple[Match, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def contrast(a: Report, b: Report) -> Contrast:
    """Match the cells of two reports by pair, method, protocol and seed, and of several by their likeness."""
    own, other = _by_question(a), _by_question(b)
    matches: list[Match] = []
    only_a: list[str] = []
    only_b = [_name(s.run) for key, members in other.items() if key not in own for s in members]
    for key, members in own.items():
        left = list(other.get(key, ()))
        for scored in members:
            if not left:
                only_a.append(_name(scored.run))
                continue
            nearest = min(left, key=lambda s, mine=scored: len(differences(mine.run, s.run)))  # type: ignore[misc]
            left.remove(nearest)
            matches.append(Match(_name(scored.run), scored, nearest, differences(scored.run, nearest.run)))
        only_b += [_name(s.run) for s in left]
    return Contrast(a.folder.name, b.folder.name, tuple(matches), tuple(only_a), tuple(only_b))


def differences(a: Run, b: Run) -> tuple[Difference, ...]:
    """Every field of the cells and of where they were made that is not the same."""
    own, other = _fields(a), _fields(b)
    keys = [key for key in dict.fromkeys([*own, *other]) if own.get(key, ABSENT) != other.get(key, ABSENT)]
    return tuple((key, _short(own.get(key, ABSENT)), _short(other.get(key, ABSENT))) for key in keys)


def apart(a: Run, b: Run, rtol: float, atol: float) -> list[str]:
    """Ids of the metrics that are not the same in two runs at some step, or that only one of them has.

    Args:
        a: a run.
        b: another.
        rtol: relative difference up to which two numbers are the same; NaN is the same as NaN.
        atol: absolute difference that is added to it.
    """

    def alike(id: str) -> bool:
        if id not in a.values or id not in b.values or a.values[id].shape != b.values[id].shape:
            return False
        return bool(np.allclose(a.values[id], b.values[id], rtol=rtol, atol=atol, equal_nan=True))

    return [id for id in dict.fromkeys([*a.values, *b.values]) if not alike(id)]


def _by_question(report: Report) -> dict[tuple[Any, ...], list[Scored]]:
    found: dict[tuple[Any, ...], list[Scored]] = defaultdict(list)
    seen: set[str] = set()
    for scored in (s for group in report.groups for row in group.rows for s in row.runs):
        if scored.run.cell_id in seen:
            continue  # a base that other recipes borrow
        seen.add(scored.run.cell_id)
        run = scored.run
        found[run.pair, run.method, run.block.protocol, run.replicate].append(scored)
    return found


def _name(run: Run) -> str:
    return f"{run.method}, {run.pair}, {run.block.protocol}, {run.block.recipe}, seed {shown(run.cell.get('seed'))}"


def _fields(run: Run) -> dict[str, str]:
    made = _flat("made by ", {k: v for k, v in run.provenance.items() if k not in _VARIES})
    own = {**flat(run), **{key: run.cell.get(key) for key in ("recipe", "training", "size", "checkpoint", "branch")}}
    return {**{key: shown(value) for key, value in own.items() if value is not None}, **made}


def _flat(prefix: str, part: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in part.items():
        found |= _flat(f"{prefix}{key}.", value) if isinstance(value, Mapping) else {f"{prefix}{key}": shown(value)}
    return found


def _short(text: str) -> str:
    return text if len(text) <= MOST_SAID else text[: MOST_SAID - 1] + "…"


def summary(found: Contrast) -> list[str]:
    """In words, one line each: how much is alike, and which fields explain the rest."""
    total = len(found.matches)
    same = sum(match.same_numbers for match in found.matches)
    unexplained = [m for m in found.matches if not m.same_numbers and not m.differences]
    lines = [
        f"{total} cells are in both {found.a} and {found.b}: {same} with the same numbers, {total - same} with others. "
        f"Only in {found.a}: {len(found.only_a)}; only in {found.b}: {len(found.only_b)}."
    ]
    for (field, own, other), count in Counter(d for match in found.matches for d in match.differences).most_common(20):
        others = sum((field, own, other) in match.differences and not match.same_numbers for match in found.matches)
        lines.append(f"{field}: {own} → {other} in {count} of {total} cells, {others} of them with other numbers")
    if unexplained:
        lines.append(f"{len(unexplained)} cells have other numbers though no field differs: {unexplained[0].name}, ...")
    return lines


def contrast_sections(found: Contrast) -> tuple[Section, ...]:
    """Cell by cell, field by field."""
    show = number(2, signed=True)
    head = ("cell", "numbers", f"Δ last, {found.a}", f"Δ last, {found.b}", "difference", "fields that differ")
    rows: list[tuple[str, ...]] = []
    for match in sorted(found.matches, key=_gap, reverse=True):
        own, other = (float(s.delta[-1]) for s in (match.a, match.b))
        said = "; ".join(f"{field}: {a} → {b}" for field, a, b in match.differences) or "none"
        alike = "same" if match.same_numbers else "other"
        rows.append((match.name, alike, show(own), show(other), show(other - own), said))
    for side, names in ((found.a, found.only_a), (found.b, found.only_b)):
        rows += [(name, f"only in {side}", "", "", "", "") for name in names]
    title = f"{found.a} against {found.b}"
    return (Section("compared", title, " ".join(summary(found)[:1]), head, tuple(rows)),)


def _gap(match: Match) -> float:
    gap = abs(float(match.a.delta[-1]) - float(match.b.delta[-1]))
    return gap if np.isfinite(gap) else 0.0


def widest(found: Contrast, most: int = 15) -> Sequence[Match]:
    """The cells whose Delta differs most."""
    return sorted((m for m in found.matches if not m.same_numbers), key=_gap, reverse=True)[:most]
