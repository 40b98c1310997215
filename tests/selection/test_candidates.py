"""What is tried, and that no method gets more of it than its budget."""

from dataclasses import replace

import pytest

from ttt_bench.method.registry import find
from ttt_bench.selection.candidates import GRID, HALVES, PUBLISHED, Candidate, refinements, tunes


def test_grid_is_six_decades_around_the_published_rate():
    tent = find("tent")
    rates = [candidate.settings(tent)["lr"] for candidate in GRID]
    assert rates == [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    assert PUBLISHED in GRID
    assert PUBLISHED.multiple == 1.0


def test_rates_per_sample_stay_per_sample():
    tipi = find("tipi")
    assert Candidate(-2).settings(tipi) == {"lr_per_sample": 3.90625e-07}


@pytest.mark.parametrize(("best", "expected"), [(0, (-1, 1)), (2, (1, 3)), (-6, (-5, -3)), (4, (3, 1))], ids=str)
def test_refinements_lie_next_to_the_best_and_never_beyond_the_edge(best, expected):
    found = refinements(Candidate(best), 8, find("tent"))
    assert tuple(candidate.half for candidate in found) == expected


@pytest.mark.parametrize("budget", range(6, 12))
def test_every_budget_is_spent_to_the_last_trial_without_repeats(budget):
    for best in GRID:
        found = (*GRID, *refinements(best, budget, find("tent")))
        assert len(found) == len(set(found)) == budget
        assert all(abs(candidate.half) <= 6 and candidate.half <= 4 for candidate in found)


def test_tunable_options_share_the_budget():
    info = find("s4t")
    info = replace(info, card=replace(info.card, tunable={"mask_ratio": (0.25, 0.5)}))
    found = refinements(Candidate(-2), 9, info)
    assert found == (Candidate(-2, (("mask_ratio", 0.25),)), Candidate(-3), Candidate(-2, (("mask_ratio", 0.5),)))
    assert found[0].settings(info) == {"lr": 2e-6, "mask_ratio": 0.25}


def test_only_the_grids_ends_are_edges():
    assert [c.half for c in (*GRID, *map(Candidate, HALVES)) if c.at_the_edge] == [-6, 4]


def test_controls_have_nothing_to_tune():
    assert [name for name in ("base", "bn", "tent") if tunes(find(name))] == ["tent"]
