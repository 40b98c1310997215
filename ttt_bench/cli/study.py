"""The ``study`` command: the paper's ablations and checks by name."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from ttt_bench.cli.console import PlainConsole, console, wide
from ttt_bench.cli.devices import resolve_device
from ttt_bench.cli.options import Request
from ttt_bench.cli.progress import SweepProgress
from ttt_bench.cli.sweep import remember, say, work_off
from ttt_bench.measurements.probes import Probe, probes_of, run_probe, stored
from ttt_bench.plan.work import Work, lay_out
from ttt_bench.provenance import command
from ttt_bench.report.tables import TextTable
from ttt_bench.store.folder import SweepFolder
from ttt_bench.studies.catalogue import UNNAMED, Study, find_study
from ttt_bench.studies.parts import Part, study_parts


@dataclass(frozen=True)
class Job:
    """One study as asked for."""

    study: Study
    request: Request
    parts: tuple[Part, ...]
    probes: tuple[Probe, ...]


def run_study(name: str, request: Request, jobs: int, device: str, figures: bool, finetune: int | None) -> None:
    """Do what of a study is missing, then write its tables and its figure."""
    study = find_study(name)
    if request.name == UNNAMED:
        request = replace(request, name=f"study-{study.name}")
    start = time.monotonic()
    parts = study_parts(study, request.config, request.roots, request.extra_methods)
    probes = probes_of(study, parts[0].plan, finetune) if study.kind == "probe" else []
    job = Job(study, request, parts, tuple(probes))
    works = _works(job)
    _say_plan(job, works)
    for part in parts:
        remember(replace(request, config=part.plan.config), part.plan, SweepFolder(request.folder))
    result = work_off(request, works, jobs, device, retry_failed=True, keep_idle=study.name == "tbs-mask")
    if not (result.failed or result.blocked):
        _measure(job, works, device)
    say(result, SweepFolder(request.folder), time.monotonic() - start)
    _report(job, figures)
    if result.failed or result.blocked:
        sys.exit(1)


def _say_plan(job: Job, works: Sequence[Work]) -> None:
    kinds = Counter(work.kind for work in works)
    probes = f", {len(job.probes)} measurements" if job.probes else ""
    console.print(
        f"{job.study.title} (S4T, {job.study.paper}): {job.study.question}\n"
        f"{kinds['train']} source networks, {kinds['cell']} cells{probes} "
        f"into {job.request.folder}",
    )


def _works(job: Job) -> list[Work]:
    """All work of all parts, once each; the TBS study adapts nothing."""
    works = {work.id: work for part in job.parts for work in lay_out(part.plan)}
    if job.study.name != "tbs-mask":
        return list(works.values())
    cells = {probe.cell.id for probe in job.probes if not probe.path(job.request.folder).exists()}
    wanted = {need for id in cells for need in works[id].needs}
    wanted |= {need for id in wanted for need in works[id].needs}
    # A cell needs its target's images, which nobody looks at here.
    return [work for work in works.values() if work.id in wanted and not _of_target(work)]


def _of_target(work: Work) -> bool:
    return work.kind == "data" and work.data is not None and work.data.split == "test"


def _measure(job: Job, works: Sequence[Work], device: str) -> None:
    """Do the measurements that are not stored yet, one after the other."""
    request, plan = job.request, job.parts[0].plan
    missing = [probe for probe in job.probes if not probe.path(request.folder).exists()]
    if not missing:
        return
    chosen = resolve_device(device, [], request)
    context = request.context(chosen)
    with SweepProgress(console, len(missing)) as progress:
        for probe in missing:
            work = Work(probe.id, "fit", probe.label)
            progress("started", work, 0, 1, "")
            run_probe(probe, plan, context, partial(progress, "progress", work))
            progress("done", work, 1, 1, "")


def _report(job: Job, figures: bool) -> None:
    from ttt_bench.studies.writing import write_study

    folder = job.request.folder
    raw = stored(job.probes, folder)
    with console.status("Making tables and the figure"):
        paths, tables = write_study(job.study, job.parts, raw, folder, command(), figures)
    screen = wide(WIDTH)
    for table in tables:
        _show(table, screen)
    _say_where(paths)


def _show(table: TextTable, screen: PlainConsole) -> None:
    shown = Table(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for place, head in enumerate(table.head):
        shown.add_column(head, justify="right" if place else "left")
    for row in table.rows:
        shown.add_row(*(Text(entry.text, _EMPHASIS[entry.emphasis]) for entry in row))
    screen.show(shown)
    for note in table.notes:
        screen.print(f"- {note}", style="dim")
    screen.print()


_EMPHASIS = {"": "", "bold": "bold", "oracle": "bright_black italic"}
WIDTH = 160


def _say_where(paths: Sequence[Path]) -> None:
    for path in paths:
        console.print(f"written: {path}")
    if not paths:
        console.print("Nothing is finished yet, so there is nothing to show.")
