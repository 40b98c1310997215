"""From a folder of cells to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pandas as pd

from ttt_bench.errors import UserError
from ttt_bench.files import write_atomically, write_text
from ttt_bench.report.budget import within_budget
from ttt_bench.report.comparison import paper_tables
from ttt_bench.report.entries import TextTable, sync_columns
from ttt_bench.report.frames import summary_frame, write_frames
from ttt_bench.report.groups import Group, make_groups
from ttt_bench.report.kinds import kind_tables
from ttt_bench.report.loading import Progress, load_runs
from ttt_bench.report.markup import csv_text, escape_markdown, latex, markdown
from ttt_bench.report.overview import by_block, overview_table
from ttt_bench.report.page.model import Section
from ttt_bench.report.paper import paper_order
from ttt_bench.report.relations import over_all
from ttt_bench.report.result import Report
from ttt_bench.report.runs import Block, Run, chosen_metrics
from ttt_bench.report.segments import segment_tables
from ttt_bench.report.severities import severity_tables
from ttt_bench.report.style import draw_into_files
from ttt_bench.report.sweep_settings import Requests, merged, read_requests, with_accidents, with_choice
from ttt_bench.report.tables import cost_table, main_table, paired_table, selection_tables, sync_table
from ttt_bench.report.uncertainty import assess
from ttt_bench.statistics.verdict import overall


def build_report(
    folder: Path,
    out: Path | None = None,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    fixed_step: int | None = None,
    budget: float | None = None,
    figures: bool = True,
    command: str | None = None,
    workers: int = 1,
) -> Report:
    """Read ``folder/cells/*.npz`` and write tables, data frames and figures.

    Args:
        folder: of a sweep.
        out: where to write; ``folder`` itself when not given.
        metrics: ids of the metrics in Delta, at most one per task; a task without one uses what the folder's last
            sweep asked for, or its first metric.
        progress: called with (done, total, what).
        fixed_step: step of the ``fixed`` selection; the smaller of 10 and the last one when not given.
        budget: read every run up to the last step whose updates cost at most so much, see ``runs.work_until``.
        figures: whether to draw; the tables alone take a fraction of the time.
        command: how the report was asked for, embedded in every figure.
        workers: processes that read cells and draw, where there are many; the report is the same. With several, a
            script must guard its call by ``if __name__ == "__main__":``, for each of them imports it.

    Returns:
        The tables and the list of files. An unreadable cell is skipped and named in ``warnings`` and at the top of
        ``report.md``.

    Raises:
        UserError: no cell can be read, a metric is unknown, ``fixed_step`` is negative, or ``out`` cannot be written.
    """
    report = score_folder(folder, metrics, progress, fixed_step=fixed_step, budget=budget, workers=workers)
    target = folder if out is None else out
    return write_report(
        report, target, progress, figures=figures, command=command or default_command(folder, metrics), workers=workers
    )


def score_folder(
    folder: Path,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    fixed_step: int | None = None,
    budget: float | None = None,
    workers: int = 1,
) -> Report:
    """Read and score what ``build_report`` reports, and write nothing. Arguments and errors are the same."""
    if fixed_step is not None and fixed_step < 0:
        raise UserError(f"--fixed-step is {fixed_step}.", "Steps count from 0.")
    requests = read_requests(folder)
    runs, warnings = load_runs(folder, progress, budget, workers)
    report = score_runs(runs, requests, metrics, fixed_step, partial(within_budget, budget=budget))
    return replace(report, folder=folder, sources=(folder,), warnings=(*requests.warnings, *warnings))


def score_runs(
    runs: Sequence[Run],
    requests: Requests,
    metrics: Sequence[str] | None = None,
    fixed_step: int | None = None,
    noted: Callable[[Group], Group] = lambda group: group,
) -> Report:
    """The report of runs that are there already, wherever they come from; see ``build_report``.

    ``noted`` may add notes to a table before it is written.
    """
    chosen = chosen_metrics(merged(metrics or (), requests.metrics))
    groups = [
        noted(with_choice(with_accidents(group, requests.accidents), requests))
        for group in make_groups(runs, chosen, fixed_step, paper_order())
    ]
    groups = [replace(group, uncertainty=assess(group)) for group in groups]
    compared = paper_tables(groups, runs, fixed_step)
    tables = {group.slug: (*_tables(group), *compared.get((group.block, group.pair), ())) for group in groups}
    return Report(Path(), summary_frame(groups), (), tuple(groups), tables, over_tables(groups))


def over_tables(groups: Sequence[Group]) -> str:
    """What all tables say together, in words; those of each recipe, stream, ... for themselves."""
    blocks = by_block(groups)
    said = {block: overall([group.uncertainty.standings() for group in of]) for block, of in blocks.items()}
    if len(blocks) < 2 or not any(said.values()):
        return overall([group.uncertainty.standings() for group in groups])
    settings = [field.name for field in fields(Block) if len({getattr(block, field.name) for block in blocks}) > 1]
    return " ".join(
        f"{', '.join(getattr(block, name) for name in settings).capitalize()}: {text[0].lower()}{text[1:]}"
        for block, text in said.items()
        if text
    )


def write_report(
    report: Report,
    target: Path,
    progress: Progress | None = None,
    *,
    figures: bool = True,
    command: str = "",
    sections: Sequence[Section] = (),
    style: str = "screen",
    workers: int = 1,
) -> Report:
    """Write the page, tables, frames and figures of ``report`` into ``target``, and nowhere else.

    Args:
        report: scored.
        target: made when missing.
        progress: called with (done, total, what).
        figures: whether to draw.
        command: how it was asked for.
        sections: further ones of the page.
        style: of the figures; see ``STYLES``.
        workers: processes that draw, where there are many figures.

    Returns:
        ``report`` with the paths of its files.

    Raises:
        UserError: ``target`` cannot be written.
    """
    groups = report.groups
    corrupted = [*kind_tables(groups), *severity_tables(groups)]
    with ThreadPoolExecutor(1) as beside:
        frames = write_frames(groups, target, beside)
        paths = _write_tables(report, corrupted, target / "tables")
        drawn = _draw(groups, target / "figures", progress, command, style, workers) if figures else []
        # jinja2 and the plotting library are only worth their import when a page is written.
        from ttt_bench.report.page.write import write_page

        page = write_page(report, target / "index.html", command, sections)
        paths = [page, *paths, *(frame.result() for frame in frames), *drawn]
    text = target / "report.md"
    write_text(text, _page(report, corrupted, [p.relative_to(target) for p in paths]))
    return replace(report, folder=target, paths=(paths[0], text, *paths[1:]))


def _draw(
    groups: Sequence[Group], folder: Path, progress: Progress | None, command: str, style: str, workers: int
) -> list[Path]:
    draw_into_files()
    # matplotlib is only worth its import when something is drawn.
    from ttt_bench.report.figures import draw_all, draw_for_paper

    drawn = draw_all(groups, folder, command, progress, workers)
    return drawn + (draw_for_paper(groups, folder, command) if style == "paper" else [])


def default_command(folder: Path, metrics: Sequence[str] | None) -> str:
    """The command line that makes this report; the folder by its name alone, which says enough elsewhere."""
    chosen = "".join(f" --metrics {id}" for id in metrics or ())
    return f"python -m ttt_bench report {folder.name}{chosen}"


def _tables(group: Group) -> list[TextTable]:
    return [
        main_table(group),
        *segment_tables(group),
        *selection_tables(group),
        *([sync_table(group)] if sync_columns(group) else []),
        cost_table(group),
        paired_table(group),
    ]


def _write_tables(report: Report, corrupted: Sequence[TextTable], folder: Path) -> list[Path]:
    paths = []
    for group in report.groups:
        tables, title = report.tables[group.slug], f"{group.pair}: {group.block.title}"
        path = folder / f"{group.slug}.md"
        write_text(path, f"# {escape_markdown(title)}\n\n{markdown(tables, level=2)}\n")
        paths.append(path)
        path = folder / f"{group.slug}.tex"
        write_text(path, latex(tables, title))
        paths.append(path)
        path = folder / f"{group.slug}.csv"
        rows = summary_frame([group])
        _write_csv(path, rows[[c for c in report.table.columns if c in rows]].dropna(axis=1, how="all"))
        paths.append(path)
    if corrupted:
        title = "Over the kinds and severities of corruption"
        write_text(folder / "kinds.md", f"# {title}\n\n{markdown(corrupted, level=2)}\n")
        write_text(folder / "kinds.tex", latex(corrupted, title))
        write_text(folder / "kinds.csv", "\n".join(csv_text(table) for table in corrupted))
        paths += [folder / f"kinds.{ending}" for ending in ("md", "tex", "csv")]
    path = folder / "all.csv"
    _write_csv(path, report.table)
    return [*paths, path]


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_atomically(path, lambda file: file.write(frame.to_csv(index=False).encode()))


def _page(report: Report, corrupted: Sequence[TextTable], files: Sequence[Path]) -> str:
    lines = ["# Report", ""]
    lines += [f"> **WARNING** {escape_markdown(line)}\n" for line in report.warnings]
    lines += [f"**{escape_markdown(report.verdict)}**", ""] if report.verdict else []
    pictures = [file for file in files if file.suffix == ".png"]
    lines += _overview(report.groups, corrupted)
    lines += [_embedded(file) for file in pictures if file.name.startswith("overview_")]
    for group in report.groups:
        title = escape_markdown(f"{group.block.title[:1].upper()}{group.block.title[1:]}")
        lines += [f"## {escape_markdown(group.pair)}", "", f"{title}.", ""]
        lines += [f"**{escape_markdown(group.accident_line)}.**", ""] if group.accidents else []
        lines += [escape_markdown(group.uncertainty.verdict), ""] if group.uncertainty.verdict else []
        lines.append(markdown(report.tables[group.slug][: 1 + len(segment_tables(group))]))
        lines.append(f"More: [all tables](tables/{group.slug}.md).\n")
    lines += [_embedded(file) for file in pictures if not file.name.startswith("overview_")]
    lines += ["## Files", ""] + [f"- [{file.as_posix()}]({file.as_posix()})" for file in files] + [""]
    return "\n".join(lines)


def _overview(groups: Sequence[Group], corrupted: Sequence[TextTable]) -> list[str]:
    """What holds over all pairs, before each pair's own table."""
    lines = []
    for block, members in by_block(groups).items():
        table = overview_table(members)
        if table is not None:
            title = f"{table.title}: {block.title}"
            lines.append(markdown([replace(table, title=title)], level=2))
    for what, table in over_all(groups):
        lines.append(markdown([replace(table, title=f"{table.title}: {what}" if what else table.title)], level=2))
    return [*lines, markdown(corrupted, level=2)]


def _embedded(picture: Path) -> str:
    return f"![{picture.stem}]({picture.as_posix()})\n"
