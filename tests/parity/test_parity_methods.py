"""ActMAD, ClusT3, NC-TTT, TTTFlow, ReC-TTT and TTT-MAE against their published code, CTA against its formula."""

from __future__ import annotations

import pytest
from reference_cases import CLASSIFICATION, GOLDEN, REFERENCE, cases, check

from ttt_bench.parity.case import Case

FAMILY = "actmad_clust3_nctt_tttflow"
CLASSIFIERS = ("rectt", "mae", "cta")
"""As the manifest calls them; its corruptions are tested beside theirs."""
SETS = [(REFERENCE / FAMILY, (), 33), (CLASSIFICATION, CLASSIFIERS, 26)]
"""Folder, methods, and how many cases there are."""


@pytest.mark.parametrize(
    "case", [*cases(GOLDEN / FAMILY), *cases(GOLDEN / "classification", CLASSIFIERS)], ids=lambda case: case.name
)
def test_golden(case: Case) -> None:
    check(case)


@pytest.mark.parametrize(("folder", "methods", "count"), SETS, ids=(FAMILY, "classification"))
def test_reference_holds_every_case(folder, methods, count) -> None:
    if not folder.is_dir():
        pytest.skip("the reference vectors are not beside this checkout")
    assert len(cases(folder, methods)) == count


@pytest.mark.parametrize(
    "case", [case for folder, methods, _ in SETS for case in cases(folder, methods)], ids=lambda case: case.name
)
def test_reference(case: Case) -> None:
    check(case)
