"""Our corruptions give the published code's numbers with its draws: a selection always, all where they are at hand."""

from __future__ import annotations

import pytest
from reference_cases import CLASSIFICATION, GOLDEN, cases, check

from ttt_bench.parity.runner import load_adapters, run_case


@pytest.mark.parametrize("case", cases(GOLDEN / "corruptions"), ids=lambda case: case.name)
def test_published_numbers(case):
    check(case)


def test_all_published_cases():
    if not CLASSIFICATION.is_dir():
        pytest.skip("the whole reference folder (../shared) is not there")
    load_adapters()
    outcomes = [run_case(case) for case in cases(CLASSIFICATION) if case.function.startswith("make_")]
    assert len(outcomes) == 18
    assert [o for o in outcomes if o.status != "passed"] == []
