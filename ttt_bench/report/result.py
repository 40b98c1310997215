"""What a report found, and where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ttt_bench.report.entries import TextTable
from ttt_bench.report.groups import Group


@dataclass(frozen=True)
class Report:
    """The scored runs of a folder, their tables, and the files that hold them."""

    folder: Path
    """Where it was written, or would be."""
    table: pd.DataFrame
    """The main numbers: one row per pair, protocol, recipe, training, size and method: ``columns.md``."""
    warnings: tuple[str, ...]
    """Cells and other files that could not be read, one line each."""
    groups: tuple[Group, ...]
    """The scored runs behind it, table by table."""
    tables: Mapping[str, tuple[TextTable, ...]]
    """Slug of a group -> its tables, the main one first."""
    verdict: str = ""
    """Over all tables, in words; empty with one table, which says it itself."""
    sources: tuple[Path, ...] = ()
    """The folders whose cells it is of."""
    paths: tuple[Path, ...] = ()
    """Every file written, the page to open first; none as long as nothing was."""
