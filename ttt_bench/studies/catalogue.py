"""The studies by name, found as the files of this folder that hold one. Light: the command line lists them."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.studies.contract import Study

UNNAMED = "study-NAME"
"""Default of --name on the command line: the study's own name is put in."""
MARK = "\nSTUDY = "
"""What a study's file holds and no other does; the others load what listing does not need."""


@cache
def studies() -> dict[str, Study]:
    """Every study, in the paper's order."""
    files = [path for path in Path(__file__).parent.glob("[!_.]*.py") if MARK in path.read_text(encoding="utf-8")]
    found = [import_module(f"{__package__}.{path.stem}").STUDY for path in files]
    return {study.name: study for study in sorted(found, key=lambda study: study.place)}


def find_study(name: str) -> Study:
    """The study called ``name``.

    Raises:
        UserError: there is none.
    """
    if name not in studies():
        raise UserError(f"Unknown study {name!r}." if name else "Which study?", did_you_mean(name, studies()))
    return studies()[name]


def study_help() -> str:
    """The studies, one line each, for ``study --help``."""
    width = max(map(len, studies()))
    listing = "\n".join(f"  {study.name:{width}}  {study.brief}" for study in studies().values())
    return f"The S4T paper's ablations and checks by name; see docs/studies.md.\n\n\b\n{listing}"
