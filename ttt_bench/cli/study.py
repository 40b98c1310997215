"""The ``study`` command: ablations and checks of the papers by name."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from ttt_bench.cli.cluster import submit_works
from ttt_bench.cli.console import console, show_table, warn, wide
from ttt_bench.cli.options.request import Request
from ttt_bench.cli.sweep import remember, say, work_off
from ttt_bench.errors import UserError
from ttt_bench.measurements.catalogue import measures_of, stored
from ttt_bench.plan.artifacts import pending
from ttt_bench.plan.work import Adapt, Measure, Train, Work, lay_out, with_needs
from ttt_bench.provenance import command
from ttt_bench.store.folder import SweepFolder
from ttt_bench.studies.catalogue import UNNAMED, find_study
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.parts import Part
from ttt_bench.studies.parts import Request as Places

if TYPE_CHECKING:
    from ttt_bench.launch.slurm.profile import Profile

WIDTH = 160


@dataclass(frozen=True)
class Job:
    """One study as asked for."""

    study: Study
    request: Request
    parts: tuple[Part, ...]
    works: tuple[Work, ...]
    measures: tuple[Measure, ...]
    """Those of the works that measure."""


def run_study(
    name: str, request: Request, jobs: int, device: str, figures: bool, finetune: int | None, profile: Profile | None
) -> None:
    """Do what of a study is missing, here or on a cluster; here, then write its tables and its figure."""
    start, job = time.monotonic(), _job(name, request, finetune)
    _say_plan(job)
    _remember(job)
    if profile is not None:
        submit_works(job.request, list(job.works), profile, retry="")
        _report(job, figures)
        return
    result = work_off(job.request, list(job.works), jobs, device, retry_failed=True)
    known = {work.id for work in job.works if work.goal}
    while job.study.follows:
        job = _job(name, request, finetune)
        new = {work.id for work in job.works if work.goal} - known
        if not new:
            break
        console.print(f"{len(new)} more cells follow from these results.")
        _remember(job)
        left = [work for work in job.works if work.id not in known]
        result.add(work_off(job.request, left, jobs, device, retry_failed=False))
        known |= new
    say(result, SweepFolder(job.request.folder), time.monotonic() - start)
    _report(job, figures)
    if result.failed or result.blocked:
        sys.exit(1)


def _remember(job: Job) -> None:
    for part in job.parts:
        remember(replace(job.request, config=part.plan.config), part.plan, SweepFolder(job.request.folder))


def _job(name: str, request: Request, finetune: int | None) -> Job:
    study = find_study(name)
    if study.measurement and request.config.stream != "iid":
        raise UserError(
            f"The study {study.name} measures on a shuffled target, not under --stream {request.config.stream}.",
            "Leave --stream out.",
        )
    if request.name == UNNAMED:
        request = replace(request, name=f"study-{study.name}")
    parts = study.parts(request.config, _places(request))
    works = list({work.id: work for part in parts for work in lay_out(part.plan)}.values())
    measures = measures_of(study.measurement, parts[0].plan, works, finetune) if study.measurement else []
    goals = [work for work in works if work.goal] if study.adapts else []
    return Job(study, request, parts, tuple(with_needs([*goals, *measures], works)), tuple(measures))


def _places(request: Request) -> Places:
    return Places(request.roots, request.extra_methods, request.folder)


def _say_plan(job: Job) -> None:
    left = Counter(type(work) for work in pending(job.works, job.request.context()))
    kinds = Counter(type(work) for work in job.works)
    measured = f", {kinds[Measure]} measurements" if job.measures else ""
    console.print(
        f"{job.study.title} ({job.study.cited}): {job.study.question}\n"
        f"{left[Train]} source networks to train, {kinds[Adapt]} cells{measured} into {job.request.folder}"
    )


def _report(job: Job, figures: bool) -> None:
    from ttt_bench.studies.writing import write_study

    folder = job.request.folder
    with console.status("Making tables and the figure"):
        warnings: list[str] = []
        measured = stored(job.measures, folder, warnings)
        there = Stored(job.parts, folder, measured, warnings, _places(job.request))
        paths, outcome = write_study(job.study, there, command(), figures)
    screen = wide(WIDTH)
    warn(there.warnings)
    for table in outcome.tables if outcome else ():
        show_table(table, screen)
    if outcome and outcome.said:
        screen.print(Text(outcome.said, style="bold"))
    _say_where(paths)


def _say_where(paths: Sequence[Path]) -> None:
    for path in paths:
        console.print(f"written: {path}")
    if not paths:
        console.print("Nothing is finished yet, so there is nothing to show.")
