"""The studies by name, found as the files of this folder that hold one. Light: the command line lists them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.studies.contract import Study

UNNAMED = "study-NAME"
"""Default of --name on the command line: the study's own name is put in."""
UNASKED = "the study's"
"""Default of options on the command line for which studies have values of their own."""
USUAL = {"methods": "s4t", "track": "dense"}
"""Of a study that says nothing else."""
MARK = "\nSTUDY = "
"""What a study's file holds and no other does; the others load what listing does not need."""


@cache
def studies() -> dict[str, Study]:
    """Every study, in the order of their places."""
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


def filled(which: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` options with those put in that nobody gave and for which the study ``which`` has a usual value."""
    study = studies().get(which)
    usual = {**USUAL, **(study.usual if study else {})}
    return {**given, **{key: value for key, value in usual.items() if given[key] in (None, UNASKED)}}


def study_help() -> str:
    """The studies, one line each, for ``study --help``."""
    width = max(map(len, studies()))
    listing = "\n".join(f"  {study.name:{width}}  {study.brief}" for study in studies().values())
    return f"Ablations and checks of the papers by name; see docs/studies.md.\n\n\b\n{listing}"
