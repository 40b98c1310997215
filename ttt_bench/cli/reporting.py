"""The ``report`` command, also the end of every sweep."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ttt_bench.choices import check_word
from ttt_bench.cli.console import PlainConsole, console, show_table, warn, wide
from ttt_bench.errors import UserError
from ttt_bench.files import UnwritableError
from ttt_bench.machine import reuse_freed_memory, usable_cpus
from ttt_bench.names import file_name
from ttt_bench.provenance import with_folders
from ttt_bench.report.ending import Ending
from ttt_bench.report.freshness import Stamp, inputs_of, read_stamp, write_stamp
from ttt_bench.report.style import STYLES


def make_report(
    folder: Path,
    metrics: str,
    figures: bool,
    fixed_step: int | None = None,
    target: Path | None = None,
    style: str = "screen",
    budget: str | None = None,
) -> None:
    """Print the table of ``folder``, write its report and say where everything went.

    Args:
        folder: of a sweep.
        metrics: comma-separated ids for Delta; empty: as its sweeps asked.
        figures: whether to draw.
        fixed_step: of the ``fixed`` selection.
        target: where to write; ``folder`` itself when not given.
        style: of the figures.
        budget: ``2x``: read every run up to the last step within so much work; by default into a folder of its own.

    Raises:
        UserError: there is nothing to report, or ``target`` cannot be written; the table is printed before that.
    """
    from ttt_bench.provenance import command
    from ttt_bench.report import score_folder, terminal_table, write_report
    from ttt_bench.report.budget import read_budget
    from ttt_bench.report.ending import ending
    from ttt_bench.report.terminal import WIDTH

    _check_there(folder)
    check_word("--style", style, STYLES)
    within = None if budget is None else read_budget(budget)
    if within is not None:
        target = target or folder / f"budget-{within:g}x"
    chosen = _ids(metrics)
    inputs = inputs_of(folder, _options(metrics, figures, fixed_step, style))
    reuse_freed_memory()
    with console.status("Making tables"):
        report = score_folder(folder, chosen, fixed_step=fixed_step, budget=within, workers=usable_cpus())
    screen = wide(WIDTH)
    table, said = terminal_table(report, screen.width), ending(report)
    warn(report.warnings)
    screen.show(table)
    try:
        with console.status("Writing tables and figures"):
            report = write_report(
                report, target or folder, figures=figures, command=command(), style=style, workers=usable_cpus()
            )
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


def make_leaderboard(
    folders: Sequence[Path], published: Path | None, metrics: str, fixed_step: int | None, figures: bool, target: Path
) -> None:
    """Print and write one report of several folders.

    Raises:
        UserError: what they hold cannot be compared or read, or ``target`` cannot be written.
    """
    from ttt_bench.provenance import command
    from ttt_bench.report import terminal_table, write_report
    from ttt_bench.report.ending import ending
    from ttt_bench.report.merging import contributions, merge
    from ttt_bench.report.page.downloads import section_table
    from ttt_bench.report.published import published_section, read_published
    from ttt_bench.report.terminal import WIDTH

    for folder in folders:
        _check_there(folder)
    numbers = () if published is None else read_published(published)
    with console.status("Making tables"):
        report = replace(merge(folders, _ids(metrics), fixed_step, usable_cpus()), folder=target)
    screen = wide(WIDTH)
    warn(report.warnings)
    screen.show(terminal_table(report, screen.width))
    sections = (contributions(report), *([published_section(report, numbers)] if numbers else []))
    for section in sections:
        show_table(section_table(section), screen, notes=0)
    with console.status("Writing tables and the page"):
        written = write_report(
            report, target, figures=figures, command=command(), sections=sections, workers=usable_cpus()
        )
    say_ending(written.paths, ending(report))


def compare_sweeps(
    names: tuple[str, str], out: Path, metrics: str, fixed_step: int | None, target: Path | None
) -> None:
    """Say what differs between two sweeps, each a name below ``out`` or a folder, and write it as a page.

    Raises:
        UserError: one of them is not there or holds nothing.
    """
    from ttt_bench.provenance import command
    from ttt_bench.report import score_folder
    from ttt_bench.report.contrast import contrast, contrast_sections, summary, widest
    from ttt_bench.report.page.write import write_page

    folders = [out / name if (out / name).is_dir() else Path(name) for name in names]
    for folder in folders:
        _check_there(folder)
    with console.status("Reading both"):
        a, b = (score_folder(folder, _ids(metrics), fixed_step=fixed_step, workers=usable_cpus()) for folder in folders)
    found = contrast(a, b)
    warn([*a.warnings, *b.warnings])
    for line in summary(found):
        console.print(line)
    for match in widest(found):
        console.print(f"{match.name}: Δ last {match.a.delta[-1]:+.2f} → {match.b.delta[-1]:+.2f}")
        for field, own, other in match.differences:
            console.print(f"    {field}: {own} → {other}")
    page = (target or folders[0]) / f"compared-with-{file_name([folders[1].name], 80)}.html"
    write_page(a, page, command(), contrast_sections(found))
    console.print(f"page:    {page}", style="bold")


def _check_there(folder: Path) -> None:
    if not folder.is_dir():
        raise UserError(f"There is no sweep in {folder}.", "Check the name and --out, or run a sweep first.")


def _ids(metrics: str) -> list[str] | None:
    return [word.strip() for word in metrics.split(",") if word.strip()] or None


def show_again(folder: Path, figures: bool) -> bool:
    """Print the last report of ``folder`` instead of making it, if it would come out the same; whether it would."""
    stamp = read_stamp(folder)
    if stamp is None or stamp.inputs != inputs_of(folder, _options("", figures, None)):
        return False
    console.print(stamp.text, end="")
    say_ending([folder / path for path in stamp.paths], Ending(*stamp.ending))
    return True


def _options(metrics: str, figures: bool, fixed_step: int | None, style: str = "screen") -> dict[str, Any]:
    return {"metrics": metrics, "figures": figures, "fixed_step": fixed_step, "style": style}


def say_ending(paths: Sequence[Path], said: Ending) -> None:
    """Where the rest lies, then the three lines that a newcomer needs: what was found, the page, what to try next."""
    rest = sorted({path.parent for path in paths if path.suffix not in (".png", ".pdf")})
    pictures = [path for path in paths if path.suffix == ".png"]
    for folder in sorted({path.parent for path in pictures}):
        console.print(f"figures: {sum(path.parent == folder for path in pictures)} in {folder}")
    console.print("tables and data: " + ", ".join(map(str, rest)))
    console.print(f"verdict: {said.verdict}", style="bold")
    console.print(f"page:    {paths[0]}", style="bold")
    console.print(f"next:    {with_folders(said.next)}", style="bold")
