"""ReC-TTT and TTT-MAE against numbers of their published code, CTA against its formula."""

from __future__ import annotations

from pathlib import Path

import pytest

from ttt_bench.parity.case import Case, read_cases
from ttt_bench.parity.runner import load_adapters, run_case

HERE = Path(__file__).resolve()
GOLDEN = HERE.parents[1] / "golden" / "classification"
REFERENCE = HERE.parents[2] / "../shared/reference-class/classification"
METHODS = ("rectt", "mae", "cta")
"""As the manifest calls them; corruptions are tested beside their domain."""


def cases(folder: Path) -> list[Case]:
    return [case for case in read_cases(folder) if case.entry["method"] in METHODS] if folder.is_dir() else []


@pytest.fixture(autouse=True, scope="module")
def _adapters() -> None:
    load_adapters()


@pytest.mark.parametrize("case", cases(GOLDEN), ids=lambda case: case.name)
def test_golden(case: Case) -> None:
    outcome = run_case(case)
    assert outcome.status == "passed", outcome.detail


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference vectors are not beside this checkout")
def test_reference_holds_every_case() -> None:
    assert len(cases(REFERENCE)) == 26


@pytest.mark.parametrize("case", cases(REFERENCE), ids=lambda case: case.name)
def test_reference(case: Case) -> None:
    outcome = run_case(case)
    assert outcome.status == "passed", outcome.detail
