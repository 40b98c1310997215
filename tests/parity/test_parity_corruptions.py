"""Our corruptions give the published code's numbers with its draws: a selection always, all where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttt_bench.parity.case import read_cases
from ttt_bench.parity.runner import load_adapters, run_case

GOLDEN = Path(__file__).resolve().parents[1] / "golden/corruptions"
SHARED = Path(__file__).resolve().parents[2] / "../shared/reference-class/classification"


@pytest.mark.parametrize("case", list(read_cases(GOLDEN)), ids=lambda case: case.name)
def test_published_numbers(case):
    load_adapters()
    outcome = run_case(case)
    assert outcome.status == "passed", outcome.detail


def test_all_published_cases():
    if not SHARED.is_dir():
        pytest.skip("the whole reference folder (../shared) is not there")
    load_adapters()
    outcomes = [run_case(case) for case in read_cases(SHARED) if case.function.startswith("make_")]
    assert len(outcomes) == 18
    assert [o for o in outcomes if o.status != "passed"] == []
