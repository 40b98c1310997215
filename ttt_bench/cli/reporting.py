"""The ``report`` command, also the end of every sweep."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ttt_bench.errors import UserError

console = Console()


def make_report(folder: Path, metrics: str, figures: bool) -> None:
    """Build the report of ``folder`` and print its table and where everything went."""
    from ttt_bench.report import build_report, terminal_table

    if not folder.is_dir():
        raise UserError(f"There is no sweep in {folder}.", "Check the name and --out, or run a sweep first.")
    chosen = [word.strip() for word in metrics.split(",") if word.strip()] or None
    with console.status("Making tables and figures"):
        report = build_report(folder, metrics=chosen, figures=figures)
    console.print(terminal_table(report))
    for path in report.paths:
        console.print(str(path), highlight=False)
