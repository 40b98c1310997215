"""The commands that do work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from ttt_bench.cli.console import console
from ttt_bench.cli.devices import resolve_device
from ttt_bench.cli.options.request import Request
from ttt_bench.cli.options.values import check_retry
from ttt_bench.cli.planning import data_lines, left_out_lines
from ttt_bench.cli.progress import SweepProgress
from ttt_bench.files import remove_leftovers
from ttt_bench.launch.local import Result, execute
from ttt_bench.machine import usable_cpus
from ttt_bench.names import pieces
from ttt_bench.plan.artifacts import done_of
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.release import delta_metrics
from ttt_bench.plan.work import Context, Fit, Train, Work, lay_out
from ttt_bench.provenance import command
from ttt_bench.samples.cache import remove_dead_drafts
from ttt_bench.store.folder import SweepFolder


def run_sweep(request: Request, jobs: int, device: str, retry: str, figures: bool) -> None:
    """Do everything that is missing, then report."""
    check_retry(retry)
    start = time.monotonic()
    plan = request.plan(keep=True)
    folder = SweepFolder(request.folder)
    for line in [*left_out_lines(plan), *data_lines(lay_out(plan), request)]:
        console.print(line)
    result, plan = in_rounds(request, plan, lambda: request.plan(keep=True), jobs, device, retry == "failed")
    say(result, folder, time.monotonic() - start)
    if plan.later:
        console.print(f"{len(plan.later)} cells are not known yet: trials that decide on them failed or are missing.")
    if folder.done():
        from ttt_bench.cli.reporting import make_report, show_again

        if result.done or not show_again(request.folder, figures):
            make_report(request.folder, "", figures)
    if result.failed or result.blocked:
        sys.exit(1)


def in_rounds(
    request: Request, plan: Plan, again: Callable[[], Plan], jobs: int, device: str, retry_failed: bool
) -> tuple[Result, Plan]:
    """Do a plan, then what its results make known, until nothing new is known.

    Args:
        request: what was asked for.
        plan: what is known now.
        again: the plan anew, after work was done.
        jobs: worker processes.
        device: where to compute.
        retry_failed: whether what failed earlier is tried again.

    Returns:
        What was done in all rounds, and the last plan.
    """
    total, known = Result(), set[str]()
    while True:
        remember(request, plan, SweepFolder(request.folder))
        works = [work for work in lay_out(plan) if work.id not in known]
        result = work_off(request, works, jobs, device, retry_failed)
        total.add(result)
        known |= {work.id for work in works if work.goal}
        plan = again()
        fresh = [cell for cell in plan.cells if cell.id not in known]
        if not fresh:
            return total, plan
        console.print(f"{len(fresh)} more cells follow from these results.")


def run_training(request: Request, jobs: int, device: str) -> None:
    """Train and fit only."""
    start = time.monotonic()
    plan = request.plan()
    works = lay_out(plan)
    result = work_off(request, _trainings(works), jobs, device, True, keep_idle=True)
    say(result, SweepFolder(request.folder), time.monotonic() - start)
    if result.failed or result.blocked:
        sys.exit(1)


def _trainings(works: list[Work]) -> list[Work]:
    wanted = [w for w in works if isinstance(w, (Train, Fit))]
    read = set().union(*(w.needs for w in wanted))
    return [w for w in works if w in wanted or w.id in read]


def work_off(
    request: Request,
    works: list[Work],
    jobs: int,
    device: str,
    retry_failed: bool,
    keep_idle: bool = False,
) -> Result:
    """Do on this machine what of ``works`` is missing, with a bar or lines that say how far it is."""
    context = request.context(resolve_device(device, works, request))
    jobs = jobs or _fitting(context, works)
    _tidy(request)
    with SweepProgress(console, len(works)) as progress:
        return execute(works, context, jobs, progress, retry_failed, keep_idle)


MOST_UNASKED = 4
"""Workers that are started without being asked for: each takes about 1 GB."""


def _fitting(context: Context, works: list[Work]) -> int:
    """Workers that keep this process's processors busy; one where a GPU computes or little is to be done."""
    goals = sum(work.goal for work in works) - len(done_of([work for work in works if work.goal], context))
    if context.device != "cpu" or goals < 2:
        return 1
    return max(1, min(MOST_UNASKED, goals, usable_cpus() // context.threads))


def _tidy(request: Request) -> None:
    """Remove the half-written files of processes that were killed."""
    cache = request.cache
    below = [path for path in cache.iterdir() if path.is_dir()] if cache.is_dir() else []
    removed = SweepFolder(request.folder).tidy() + remove_leftovers([cache, *below]) + remove_dead_drafts(cache)
    if removed:
        console.print(f"removed {len(removed)} unfinished files that killed processes had left", style="dim")


def remember(request: Request, plan: Plan, folder: SweepFolder) -> None:
    """Keep what was asked for in the sweep's folder."""
    folder.remember(
        request.config.id,
        {
            "config": request.config.described(),
            "accidents": plan.accidents,
            "metrics": delta_metrics(request.config.released),
            "command": command(),
            "cells": [
                {"id": c.id, "label": c.label, "pair": c.pair, "method": c.method, "seed": c.seed} for c in plan.cells
            ],
        },
    )


def say(result: Result, folder: SweepFolder, seconds: float) -> None:
    """What was done, what failed, and where the tracebacks are."""
    console.print(
        f"{pieces(result.done)} done, {result.skipped} cells were already there, "
        f"{len(result.failed)} failed, {len(result.blocked)} blocked by a failure, in {seconds:.0f} s.",
    )
    for work, error in result.failed:
        console.print(f"failed: {work.label}: {error}", style="red")
    if result.failed:
        console.print(f"Tracebacks: {folder.path / 'failures'}. Run again with --retry failed to redo them.")
