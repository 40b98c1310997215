"""TENT, TIPI, TTT and TTT++ give the published numbers: a selection always, everything where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttt_bench.parity.case import read_cases
from ttt_bench.parity.runner import ILL_CONDITIONED, load_adapters, run_case, run_parity

GOLDEN = Path(__file__).resolve().parents[1] / "golden/tent_tipi_ttt_tttpp"
SHARED = Path(__file__).resolve().parents[2] / "../shared/reference/tent_tipi_ttt_tttpp"


@pytest.mark.parametrize("case", list(read_cases(GOLDEN)), ids=lambda case: case.name)
def test_published_numbers(case):
    load_adapters()
    outcome = run_case(case)
    assert outcome.status == "passed", outcome.detail


def test_all_published_cases():
    if not SHARED.is_dir():
        pytest.skip("the whole reference folder (../shared) is not there")
    outcomes = run_parity([SHARED])
    assert len(outcomes) == 37
    assert [o for o in outcomes if o.status == "failed"] == []
    assert [o.detail for o in outcomes if o.status == "skipped"] == [ILL_CONDITIONED]
