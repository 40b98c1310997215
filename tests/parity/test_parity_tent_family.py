"""TENT, TIPI, TTT and TTT++ give the published numbers: a selection always, everything where it is at hand."""

from __future__ import annotations

import pytest
from reference_cases import GOLDEN, REFERENCE, cases, check

from ttt_bench.parity.runner import ILL_CONDITIONED, run_parity

FAMILY = "tent_tipi_ttt_tttpp"


@pytest.mark.parametrize("case", cases(GOLDEN / FAMILY), ids=lambda case: case.name)
def test_published_numbers(case):
    check(case)


def test_all_published_cases():
    if not (REFERENCE / FAMILY).is_dir():
        pytest.skip("the whole reference folder (../shared) is not there")
    outcomes = run_parity([REFERENCE / FAMILY])
    assert len(outcomes) == 37
    assert [o for o in outcomes if o.status == "failed"] == []
    assert [o.detail for o in outcomes if o.status == "skipped"] == [ILL_CONDITIONED]
