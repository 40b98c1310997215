"""From stored trajectories to tables, figures and data frames. Imports nothing heavy until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttt_bench.report.build import build_report, score_folder, write_report
    from ttt_bench.report.paper import paper_results
    from ttt_bench.report.result import Report
    from ttt_bench.report.terminal import terminal_table

__all__ = ["Report", "build_report", "paper_results", "score_folder", "terminal_table", "write_report"]

_HOMES = {
    "Report": "result",
    "build_report": "build",
    "paper_results": "paper",
    "score_folder": "build",
    "terminal_table": "terminal",
    "write_report": "build",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    # pandas and matplotlib cost a second that commands without a report should not pay.
    home: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return home
