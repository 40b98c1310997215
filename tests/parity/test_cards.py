"""The number of reference cases on each card is the number that passes."""

from collections import Counter

import pytest
from tiny_sweep import SHARED

from ttt_bench.method.registry import discover
from ttt_bench.parity.runner import run_parity

REFERENCE = SHARED / "reference"
S4T_GROUPS = ("loss", "mae", "metric", "model", "data")
"""The S4T manifest sorts its cases by these instead of naming the method."""


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the official reference vectors are not beside this checkout")
def test_cards_tell_how_many_cases_pass():
    outcomes = run_parity([REFERENCE])
    assert not [o for o in outcomes if o.status == "failed"]
    passed = Counter("s4t" if o.method in S4T_GROUPS else o.method for o in outcomes if o.status == "passed")
    assert passed == {name: info.card.parity_cases for name, info in discover().items() if info.card.parity_cases}
