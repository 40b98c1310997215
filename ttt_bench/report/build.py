"""From a folder of cells to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ttt_bench.errors import UserError
from ttt_bench.files import write_atomically, write_text
from ttt_bench.report.comparison import paper_tables
from ttt_bench.report.frames import summary_frame, write_frames
from ttt_bench.report.groups import Group, make_groups
from ttt_bench.report.markup import latex, markdown
from ttt_bench.report.paper import paper_order
from ttt_bench.report.runs import Progress, chosen_metrics, load_runs
from ttt_bench.report.sweep_settings import merged, read_requests, with_accidents
from ttt_bench.report.tables import (
    TextTable,
    cost_table,
    main_table,
    paired_table,
    selection_tables,
    sync_columns,
    sync_table,
)
from ttt_bench.report.terminal import plain_lines


@dataclass(frozen=True)
class Report:
    """What was found and where it was written."""

    folder: Path
    table: pd.DataFrame
    """The main numbers: one row per pair, protocol, recipe, training, size and method: ``columns.md``."""
    lines: tuple[str, ...]
    """The same for a terminal, without colours, warnings first."""
    paths: tuple[Path, ...]
    """Every file written."""
    warnings: tuple[str, ...]
    """Cells that could not be read, one line each."""
    groups: tuple[Group, ...]
    """The scored runs behind it, table by table."""


def build_report(
    folder: Path,
    out: Path | None = None,
    metrics: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    fixed_step: int | None = None,
    figures: bool = True,
    command: str | None = None,
) -> Report:
    """Read ``folder/cells/*.npz`` and write tables, data frames and figures.

    Args:
        folder: of a sweep.
        out: where to write; ``folder`` itself when not given.
        metrics: ids of the metrics in Delta, at most one per task; a task without one uses what the folder's last
            sweep asked for, or its first metric.
        progress: called with (done, total, what).
        fixed_step: step of the ``fixed`` selection; the smaller of 10 and the last one when not given.
        figures: whether to draw; the tables alone take a fraction of the time.
        command: how the report was asked for, embedded in every figure.

    Returns:
        The tables and the list of files. An unreadable cell is skipped and named in ``warnings``, in
        ``lines`` and at the top of ``report.md``.

    Raises:
        UserError: no cell can be read, a metric is unknown, or ``fixed_step`` is negative.
    """
    if fixed_step is not None and fixed_step < 0:
        raise UserError(f"--fixed-step is {fixed_step}.", "Steps count from 0.")
    requests = read_requests(folder)
    chosen = chosen_metrics(merged(metrics or (), requests.metrics))
    runs, warnings = load_runs(folder, progress)
    target = folder if out is None else out
    groups = [with_accidents(g, requests.accidents) for g in make_groups(runs, chosen, fixed_step, paper_order())]
    compared = paper_tables(groups, runs, fixed_step)
    tables = {group.slug: [*_tables(group), *compared.get(group.slug, ())] for group in groups}
    summary = summary_frame(groups)
    paths = _write_tables(groups, tables, summary, target / "tables")
    paths += write_frames(groups, target)
    if figures:
        # matplotlib is only worth its import when something is drawn.
        from ttt_bench.report.figures import draw_all

        paths += draw_all(groups, target / "figures", command or default_command(folder, metrics), progress)
    page = target / "report.md"
    write_text(page, _page(groups, tables, warnings, [p.relative_to(target) for p in paths]))
    lines = (*(f"WARNING: {line}" for line in warnings), *plain_lines(groups))
    return Report(target, summary, lines, (page, *paths), tuple(warnings), tuple(groups))


def default_command(folder: Path, metrics: Sequence[str] | None) -> str:
    """The command line that makes this report; the folder by its name alone, which says enough elsewhere."""
    chosen = "".join(f" --metrics {id}" for id in metrics or ())
    return f"python -m ttt_bench report {folder.name}{chosen}"


def _tables(group: Group) -> list[TextTable]:
    return [
        main_table(group),
        *selection_tables(group),
        *([sync_table(group)] if sync_columns(group) else []),
        cost_table(group),
        paired_table(group),
    ]


def _write_tables(
    groups: Sequence[Group], tables: dict[str, list[TextTable]], summary: pd.DataFrame, folder: Path
) -> list[Path]:
    paths = []
    for group in groups:
        title = f"{group.pair}: {group.block.title}"
        path = folder / f"{group.slug}.md"
        write_text(path, f"# {title}\n\n{markdown(tables[group.slug], level=2)}\n")
        paths.append(path)
        path = folder / f"{group.slug}.tex"
        write_text(path, latex(tables[group.slug], title))
        paths.append(path)
        here = (summary["pair"] == group.pair) & (
            summary[["protocol", "recipe", "training", "size"]] == list(_key(group))
        ).all(axis=1)
        path = folder / f"{group.slug}.csv"
        _write_csv(path, summary[here].dropna(axis=1, how="all"))
        paths.append(path)
    path = folder / "all.csv"
    _write_csv(path, summary)
    return [*paths, path]


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_atomically(path, lambda file: file.write(frame.to_csv(index=False).encode()))


def _key(group: Group) -> tuple[str, str, str, str]:
    block = group.block
    return block.protocol, block.recipe, block.training, block.size


def _page(
    groups: Sequence[Group],
    tables: dict[str, list[TextTable]],
    warnings: Sequence[str],
    files: Sequence[Path],
) -> str:
    lines = ["# Report", ""]
    lines += [f"> **WARNING** {line}\n" for line in warnings]
    for group in groups:
        lines += [f"## {group.pair}", "", f"{group.block.title[:1].upper()}{group.block.title[1:]}.", ""]
        lines += [f"**{group.accident_line}.**", ""] if group.accidents else []
        lines.append(markdown(tables[group.slug][:1]))
        lines.append(f"More: [all tables](tables/{group.slug}.md).\n")
    pictures = [file for file in files if file.suffix == ".png"]
    lines += [f"![{file.stem}]({file.as_posix()})\n" for file in pictures]
    lines += ["## Files", ""] + [f"- [{file.as_posix()}]({file.as_posix()})" for file in files] + [""]
    return "\n".join(lines)
