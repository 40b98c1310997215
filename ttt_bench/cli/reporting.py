"""The ``report`` command, also the end of every sweep."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttt_bench.cli.console import PlainConsole, console, warn, wide
from ttt_bench.errors import UserError
from ttt_bench.files import UnwritableError
from ttt_bench.report.ending import Ending
from ttt_bench.report.freshness import Stamp, inputs_of, read_stamp, write_stamp


def make_report(
    folder: Path, metrics: str, figures: bool, fixed_step: int | None = None, target: Path | None = None
) -> None:
    """Print the table of ``folder``, write its report and say where everything went.

    Args:
        folder: of a sweep.
        metrics: comma-separated ids for Delta; empty: as its sweeps asked.
        figures: whether to draw.
        fixed_step: of the ``fixed`` selection.
        target: where to write; ``folder`` itself when not given.

    Raises:
        UserError: there is nothing to report, or ``target`` cannot be written; the table is printed before that.
    """
    from ttt_bench.provenance import command
    from ttt_bench.report import score_folder, terminal_table, write_report
    from ttt_bench.report.ending import ending
    from ttt_bench.report.terminal import WIDTH

    if not folder.is_dir():
        raise UserError(f"There is no sweep in {folder}.", "Check the name and --out, or run a sweep first.")
    chosen = [word.strip() for word in metrics.split(",") if word.strip()] or None
    inputs = inputs_of(folder, _options(metrics, figures, fixed_step))
    with console.status("Making tables"):
        report = score_folder(folder, chosen, fixed_step=fixed_step)
    screen = wide(WIDTH)
    table, said = terminal_table(report, screen.width), ending(report)
    warn(report.warnings)
    screen.show(table)
    try:
        with console.status("Writing tables and figures"):
            report = write_report(report, target or folder, figures=figures, command=command())
    except UnwritableError as error:
        hint = "Write the report elsewhere with --to FOLDER, or make room or ask for permission where it goes."
        raise UserError(error.message, hint) from error
    say_ending(report.paths, said)
    if target is None:
        plain = PlainConsole(width=screen.width, file=io.StringIO(), record=True)
        plain.print("\n".join(f"WARNING: {line}" for line in report.warnings), end="\n" * bool(report.warnings))
        plain.show(table)
        paths = tuple(str(path.relative_to(folder)) for path in report.paths)
        write_stamp(folder, Stamp(inputs, plain.export_text(), paths, (said.verdict, said.next)))


def show_again(folder: Path, figures: bool) -> bool:
    """Print the last report of ``folder`` instead of making it, if it would come out the same; whether it would."""
    stamp = read_stamp(folder)
    if stamp is None or stamp.inputs != inputs_of(folder, _options("", figures, None)):
        return False
    console.print(stamp.text, end="")
    say_ending([folder / path for path in stamp.paths], Ending(*stamp.ending))
    return True


def _options(metrics: str, figures: bool, fixed_step: int | None) -> dict[str, Any]:
    return {"metrics": metrics, "figures": figures, "fixed_step": fixed_step}


def say_ending(paths: Sequence[Path], said: Ending) -> None:
    """Where the rest lies, then the three lines that a newcomer needs: what was found, the page, what to try next."""
    rest = sorted({path.parent for path in paths if path.suffix not in (".png", ".pdf")})
    pictures = [path for path in paths if path.suffix == ".png"]
    for folder in sorted({path.parent for path in pictures}):
        console.print(f"figures: {sum(path.parent == folder for path in pictures)} in {folder}")
    console.print("tables and data: " + ", ".join(map(str, rest)))
    console.print(f"verdict: {said.verdict}", style="bold")
    console.print(f"page:    {paths[0]}", style="bold")
    console.print(f"next:    {said.next}", style="bold")
