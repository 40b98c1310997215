"""Further parts of the page, each a table: a new one is one function here, which returns None where it has no data."""

from __future__ import annotations

from ttt_bench.report.page.model import Section
from ttt_bench.report.result import Report


def further(report: Report) -> tuple[Section, ...]:
    """The sections that this report has something to say in."""
    return ()
