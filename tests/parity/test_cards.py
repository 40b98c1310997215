"""The number of reference cases on each card is the number that passes."""

from collections import Counter

import pytest
from tiny_sweep import SHARED

from ttt_bench.method.registry import discover
from ttt_bench.parity.case import read_cases
from ttt_bench.parity.runner import run_case, run_parity

REFERENCE = SHARED / "reference"
CLASSIFICATION = SHARED / "reference-class"
S4T_GROUPS = ("loss", "mae", "metric", "model", "data")
"""The S4T manifest sorts its cases by these instead of naming the method."""
CLASS_METHODS = {"rectt": "recttt", "mae": "tttmae", "cta": "cta"}
"""The classification manifest's names of methods -> ours; the rest of it is corruptions."""


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the official reference vectors are not beside this checkout")
def test_cards_tell_how_many_cases_pass():
    outcomes = run_parity([REFERENCE])
    counted = ["s4t" if o.method in S4T_GROUPS else o.method for o in outcomes if o.status == "passed"]
    if CLASSIFICATION.is_dir():
        ours = [run_case(case) for case in read_cases(CLASSIFICATION) if case.entry["method"] in CLASS_METHODS]
        counted += [CLASS_METHODS[o.method] for o in ours if o.status == "passed"]
        outcomes += ours
    assert not [o for o in outcomes if o.status == "failed"]
    passed = Counter(counted)
    cards = {name: info.card.parity_cases for name, info in discover().items() if info.card.parity_cases}
    if not CLASSIFICATION.is_dir():
        cards = {name: count for name, count in cards.items() if name not in CLASS_METHODS.values()}
    assert passed == cards
