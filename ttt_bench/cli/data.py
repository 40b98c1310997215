"""Commands about data on disk: check what is there, prepare what is not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttt_bench.cli.strict import App
from ttt_bench.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ttt_bench.domains.disk.checking import Progress, Report

app = App(help="Check data sets on disk, or prepare one.", no_args_is_help=True)
SHOWN = 20


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A data set, or a folder that holds several.")],
    every: Annotated[int, typer.Option(min=1, help="Read every so many-th image only (1: all).")] = 1,
    all_problems: Annotated[bool, typer.Option("--all", help=f"Name all files, not {SHOWN} of a kind.")] = False,
    domain: Annotated[list[Path] | None, typer.Option(help="A domain file of your own (repeatable).")] = None,
) -> None:
    """Recognise what lies in a folder and look at every file; exit 1 when something is wrong."""
    from ttt_bench.domains.catalogue import list_families
    from ttt_bench.domains.disk.checklists import check_found
    from ttt_bench.domains.disk.layouts import recognise

    extra = tuple(Path(os.path.realpath(path)) for path in domain or ())
    found = list(recognise(folder, extra))
    if not found:
        layouts = [layout for family in list_families(extra) for layout in family.layouts]
        holds = "; ".join(f"{layout.name}: {layout.holds}" for layout in layouts)
        raise UserError(f"{folder} holds no data set that is known here.", f"Known layouts: {holds}.")
    wrong = False
    for data in found:
        with _bar(f"checking {data.layout.name}") as progress:
            report = check_found(data, every, progress)
        _show(report, None if all_problems else SHOWN)
        wrong = wrong or bool(report.problems)
    if wrong:
        sys.exit(1)


@app.command()
def prepare(
    data_set: Annotated[str, typer.Argument(help="nyudv2.")],
    source: Annotated[Path, typer.Argument(help="Plain labelled frames, or nyu_depth_v2_labeled.mat.")],
    target: Annotated[Path, typer.Argument(help="Where the package goes.")],
) -> None:
    """Build the package layout with normals and edges; run it again to go on after an interruption."""
    from ttt_bench.domains.nyudv2.prepare import prepare as prepare_nyudv2

    if data_set != "nyudv2":
        raise UserError(f"{data_set!r} cannot be prepared.", did_you_mean(data_set, ["nyudv2"]))
    if not source.exists():
        raise UserError(f"{source} does not exist.", "Give a folder of plain frames, or nyu_depth_v2_labeled.mat.")
    with _bar("preparing nyudv2") as progress:
        done = prepare_nyudv2(source, target, progress)
    print(f"{done.written} frames written, {done.kept} were there already: {target}")


@contextmanager
def _bar(text: str) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line at every tenth."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ttt_bench.cli.console import errors

    columns = (TextColumn(text, markup=False), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("", total=None)

        def progress(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)
            if not errors.is_terminal and (done == total or done % max(1, total // 10) == 0):
                print(f"{text}: {done}/{total}", file=sys.stderr, flush=True)

        yield progress


def _show(report: Report, shown: int | None) -> None:
    print(report.title)
    for split, count in report.counts.items():
        paper = report.paper.get(split)
        against = "" if paper is None else " (as in the paper)" if count == paper else f" (the paper has {paper})"
        print(f"  {split}: {count} images{against}")
    for note in report.notes:
        print(f"  {note}")
    kinds = dict.fromkeys(problem.kind for problem in report.problems)
    for kind in kinds:
        lines = [problem.what for problem in report.problems if problem.kind == kind]
        print(f"  {kind}: {len(lines)}")
        for line in lines[:shown]:
            print(f"    {line}")
        if shown is not None and len(lines) > shown:
            print(f"    and {len(lines) - shown} more (--all names them)")
    print("  nothing is wrong" if not report.problems else f"  {len(report.problems)} problems")
