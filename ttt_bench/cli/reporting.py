"""The ``report`` command, also the end of every sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ttt_bench.errors import UserError

console = Console()


def make_report(folder: Path, metrics: str, figures: bool, fixed_step: int | None = None) -> None:
    """Build the report of ``folder`` and print its table and where everything went."""
    from ttt_bench.provenance import command
    from ttt_bench.report import build_report, terminal_table
    from ttt_bench.report.terminal import WIDTH

    if not folder.is_dir():
        raise UserError(f"There is no sweep in {folder}.", "Check the name and --out, or run a sweep first.")
    chosen = [word.strip() for word in metrics.split(",") if word.strip()] or None
    with console.status("Making tables and figures"):
        report = build_report(folder, metrics=chosen, figures=figures, fixed_step=fixed_step, command=command())
    # A file or a pipe has no width of its own.
    wide = console if console.is_terminal else Console(width=WIDTH)
    wide.print(terminal_table(report, wide.width))
    _say_where(report.paths)


def _say_where(paths: Sequence[Path]) -> None:
    """The page to open first, then the figures, then the folders of the rest."""
    pictures = [path for path in paths if path.suffix == ".png"]
    rest = sorted({path.parent for path in paths if path.suffix not in (".png", ".pdf")})
    console.print(f"report: {paths[0]}", highlight=False, soft_wrap=True)
    for path in pictures:
        console.print(f"figure: {path}", highlight=False, soft_wrap=True)
    console.print("tables and data: " + ", ".join(map(str, rest)), highlight=False, soft_wrap=True)
