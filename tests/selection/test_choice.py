"""How a choice is made from scores: ties, divergence, steps, and that it can be written down."""

import math

import numpy as np
import pytest

from ttt_bench.method.registry import find
from ttt_bench.selection.candidates import GRID, PUBLISHED, Candidate
from ttt_bench.selection.choice import Choice, Tried, best_of, best_with_step, last

NAN = math.nan


def scores(*values):
    return dict(zip(GRID, values, strict=True))


@pytest.mark.parametrize(
    ("values", "half"),
    [
        ((1, 2, 3, 4, 5, 6), 4),
        ((5, 5, 5, 5, 5, 5), -6),
        ((0, 1, 3, 3 + 1e-12, 2, NAN), -2),
        ((NAN, NAN, -9, NAN, NAN, NAN), -2),
        ((NAN,) * 6, -6),
        ((-math.inf, 0, 0, -1, -1, -1), -4),
    ],
)
def test_highest_score_wins_and_of_equal_ones_the_smaller_rate(values, half):
    assert best_of(scores(*values)) == Candidate(half)


def test_step_is_chosen_with_the_settings():
    curves = {c: np.array([0.0, 1.0, 0.5]) for c in GRID} | {Candidate(-2): np.array([0.0, 3.0, -9.0])}
    assert best_with_step(curves, GRID) == (Candidate(-2), 1)
    assert best_of(last(curves, GRID)) == Candidate(-6)
    assert best_with_step({c: np.full(3, NAN) for c in GRID}, GRID) == (PUBLISHED, -1)


def test_choice_survives_being_written_down():
    tried = (Tried(Candidate(-6), 1.25, False), Tried(Candidate(0, (("mask_ratio", 0.5),)), NAN, True))
    choice = Choice("source-shift", Candidate(-6), tried, ("rooms/studio+contrast:3",))
    again = Choice.read(choice.described(find("s4t")))
    assert (again.strategy, again.candidate, again.where) == (choice.strategy, choice.candidate, choice.where)
    assert again.tried[0] == tried[0]
    assert math.isnan(again.tried[1].score)
    assert again.tried[1].collapsed
    assert again.at_edge


def test_published_settings_are_at_no_edge():
    assert not Choice("published", PUBLISHED).at_edge
