"""Numbers of published code: a selection beside the tests, all of them where they are at hand."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tiny_sweep import REPOSITORY, SHARED

from ttt_bench.parity.case import Case, read_cases
from ttt_bench.parity.runner import load_adapters, run_case

GOLDEN = REPOSITORY / "tests/golden"
REFERENCE = SHARED / "reference"
CLASSIFICATION = SHARED / "reference-class/classification"


def cases(folder: Path, methods: Collection[str] = ()) -> list[Case]:
    """Every case in ``folder``, or those of some methods as its manifest calls them; none where it is not there."""
    found = read_cases(folder) if folder.is_dir() else ()
    return [case for case in found if not methods or case.entry["method"] in methods]


def check(case: Case) -> None:
    """Our code gives the case's numbers."""
    load_adapters()
    outcome = run_case(case)
    assert outcome.status == "passed", outcome.detail
