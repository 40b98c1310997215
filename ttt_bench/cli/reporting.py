"""The ``report`` command, also the end of every sweep."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ttt_bench.errors import UserError
from ttt_bench.report.freshness import Stamp, inputs_of, read_stamp, write_stamp

console = Console()


def make_report(folder: Path, metrics: str, figures: bool, fixed_step: int | None = None) -> None:
    """Build the report of ``folder`` and print its table and where everything went."""
    from ttt_bench.provenance import command
    from ttt_bench.report import build_report, terminal_table
    from ttt_bench.report.terminal import WIDTH

    if not folder.is_dir():
        raise UserError(f"There is no sweep in {folder}.", "Check the name and --out, or run a sweep first.")
    chosen = [word.strip() for word in metrics.split(",") if word.strip()] or None
    inputs = inputs_of(folder, _options(metrics, figures, fixed_step))
    with console.status("Making tables and figures"):
        report = build_report(folder, metrics=chosen, figures=figures, fixed_step=fixed_step, command=command())
    # A file or a pipe has no width of its own.
    wide = console if console.is_terminal else Console(width=WIDTH)
    table = terminal_table(report, wide.width)
    wide.print(table)
    _say_where(report.paths)
    plain = Console(width=wide.width, file=io.StringIO(), record=True)
    plain.print(table)
    write_stamp(folder, Stamp(inputs, plain.export_text(), tuple(str(p.relative_to(folder)) for p in report.paths)))


def show_again(folder: Path, figures: bool) -> bool:
    """Print the last report of ``folder`` instead of making it, if it would come out the same; whether it would."""
    stamp = read_stamp(folder)
    if stamp is None or stamp.inputs != inputs_of(folder, _options("", figures, None)):
        return False
    console.print(stamp.text, end="", markup=False, highlight=False, soft_wrap=True)
    _say_where([folder / path for path in stamp.paths])
    return True


def _options(metrics: str, figures: bool, fixed_step: int | None) -> dict[str, Any]:
    return {"metrics": metrics, "figures": figures, "fixed_step": fixed_step}


def _say_where(paths: Sequence[Path]) -> None:
    """The page to open first, then the figures, then the folders of the rest."""
    pictures = [path for path in paths if path.suffix == ".png"]
    rest = sorted({path.parent for path in paths if path.suffix not in (".png", ".pdf")})
    console.print(f"report: {paths[0]}", highlight=False, soft_wrap=True)
    for path in pictures:
        console.print(f"figure: {path}", highlight=False, soft_wrap=True)
    console.print("tables and data: " + ", ".join(map(str, rest)), highlight=False, soft_wrap=True)
