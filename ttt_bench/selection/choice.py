"""A choice and the trail that led to it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttt_bench.method.info import MethodInfo
from ttt_bench.selection.candidates import PUBLISHED, Candidate
from ttt_bench.selection.evidence import Curve

TIE = 1e-9
"""Scores closer than this are equal: the smaller rate is taken."""


@dataclass(frozen=True)
class Tried:
    """One trial as a strategy saw it."""

    candidate: Candidate
    score: float
    """At the last step, higher is better; NaN where a run of it diverged."""
    collapsed: bool
    """Whether a run of it noticed a collapse."""

    def described(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "half": self.candidate.half,
            "options": [list(option) for option in self.candidate.options],
            "score": self.score if math.isfinite(self.score) else None,
            "collapsed": self.collapsed,
        }

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Tried:
        """What ``described`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        options = tuple((str(name), value) for name, value in content["options"])
        score = math.nan if content["score"] is None else float(content["score"])
        return cls(Candidate(int(content["half"]), options), score, bool(content["collapsed"]))


@dataclass(frozen=True)
class Choice:
    """What a strategy chose for one question."""

    strategy: str
    candidate: Candidate
    tried: tuple[Tried, ...] = ()
    """In the order of the rates; empty of the published settings."""
    where: tuple[str, ...] = ()
    """Images that were tried on: domains."""
    stepwise: tuple[Candidate, int] = (PUBLISHED, -1)
    """Choosing the step too: settings and column of the scored steps; -1 is the last."""

    @property
    def at_edge(self) -> bool:
        """Whether the best rate is the smallest or the largest of the grid: a better one may lie beyond it."""
        return bool(self.tried) and self.candidate.at_the_edge

    def described(self, info: MethodInfo) -> dict[str, Any]:
        """As JSON, kept with the cells that were made with it."""
        return {
            "strategy": self.strategy,
            "settings": self.candidate.settings(info),
            "half": self.candidate.half,
            "options": [list(option) for option in self.candidate.options],
            "multiple": self.candidate.multiple,
            "at_edge": self.at_edge,
            "where": list(self.where),
            "tried": [tried.described() for tried in self.tried],
        }

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Choice:
        """What ``described`` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        options = tuple((str(name), value) for name, value in content["options"])
        candidate = Candidate(int(content["half"]), options)
        tried = tuple(Tried.read(each) for each in content["tried"])
        return cls(str(content["strategy"]), candidate, tried, tuple(map(str, content["where"])))


def best_of(scores: Mapping[Candidate, float]) -> Candidate:
    """The candidate with the highest score; of equal ones, and where all diverged, that with the smallest rate."""
    known = {candidate: score for candidate, score in scores.items() if math.isfinite(score)}
    pool = known or dict.fromkeys(scores, 0.0)
    top = max(pool.values())
    return min(candidate for candidate, score in pool.items() if score >= top - TIE)


def last(curves: Mapping[Candidate, Curve], path: Iterable[Candidate]) -> dict[Candidate, float]:
    """The score of each candidate of ``path`` at the last step."""
    return {candidate: float(curves[candidate][-1]) for candidate in path if candidate in curves}


def best_with_step(curves: Mapping[Candidate, Curve], path: Iterable[Candidate]) -> tuple[Candidate, int]:
    """Settings and column with the highest score of all; of equal ones the smallest rate, then the earliest step."""
    peaks = {
        candidate: float(np.nanmax(curves[candidate]))
        for candidate in path
        if candidate in curves and np.isfinite(curves[candidate]).any()
    }
    if not peaks:
        return PUBLISHED, -1
    chosen = best_of(peaks)
    return chosen, int(np.flatnonzero(curves[chosen] >= peaks[chosen] - TIE)[0])
