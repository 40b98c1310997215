"""The cluster's side of the command line: what would be submitted, submitting it, taking it back."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ttt_bench.cli.console import console, warn
from ttt_bench.cli.options.request import Request
from ttt_bench.cli.options.values import check_retry
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.names import pieces

if TYPE_CHECKING:
    from ttt_bench.launch.slurm.profile import Profile
    from ttt_bench.launch.slurm.submit import Prepared
    from ttt_bench.plan.plan import Plan
    from ttt_bench.plan.work import Work

MOST_FATES = 5
"""Dead tasks that are told one by one."""

EXECUTORS = ("local", "slurm")


def chosen(request: Request, executor: str, profile: Path | None, jobs: int = 0) -> Profile | None:
    """The profile to submit with, read before anything is said or done; None for this machine.

    Raises:
        UserError: the options do not go together, or the profile cannot be read or gives a task too few cores or GPUs.
    """
    if executor not in EXECUTORS:
        raise UserError(f"--executor {executor!r} is unknown.", did_you_mean(executor, EXECUTORS))
    if executor == "slurm" and profile is None:
        raise UserError("--executor slurm needs --profile.", "Start from slurm/cpu.toml or slurm/h100.toml.")
    if executor == "local" and profile is not None:
        raise UserError("--profile is for --executor slurm.", "Add --executor slurm, or leave --profile out.")
    if executor == "slurm" and jobs > 1:
        raise UserError("--jobs is for this machine.", "On Slurm, array_parallelism in the profile decides.")
    if profile is None:
        return None
    from ttt_bench.launch.slurm.profile import check_room, read_profile

    read = read_profile(profile)
    check_room(read, request.config.threads, request.config.train_processes)
    return read


def show_arrays(request: Request, plan: Plan, profile: Profile, retry: str = "") -> None:
    """Print exactly what ``sweep --executor slurm`` would submit of ``plan``; change nothing."""
    from ttt_bench.launch.slurm.submit import prepare
    from ttt_bench.plan.work import lay_out

    prepared = prepare(lay_out(plan), request.context(), profile, _retry(retry))
    _print(request, prepared, profile)
    say_later(plan)


def submit_sweep(request: Request, profile: Profile, retry: str) -> None:
    """Submit everything of a sweep that is missing, and return."""
    from ttt_bench.cli.sweep import remember
    from ttt_bench.plan.work import lay_out
    from ttt_bench.store.folder import SweepFolder

    plan = request.plan(keep=True)
    remembering = partial(remember, request, plan, SweepFolder(request.folder))
    submit_works(request, lay_out(plan), profile, retry, remembering)
    say_later(plan)


def say_later(plan: Plan) -> None:
    """What has to be done by hand: a submission ends before the results that further cells depend on."""
    if plan.later:
        _say(
            f"{len(plan.later)} more cells follow from the results of these: when they are done, run the same command "
            "again, and it goes on."
        )


def submit_works(
    request: Request, works: list[Work], profile: Profile, retry: str, before: Callable[[], None] = lambda: None
) -> None:
    """Submit what of ``works`` is missing, and return; ``before`` is called when nothing stands against it."""
    from ttt_bench.launch.slurm.submit import prepare, settle_lost, submit
    from ttt_bench.store.folder import SweepFolder

    context, again = request.context(), _retry(retry)
    settled = settle_lost(SweepFolder(request.folder), works, context)
    if settled.lost:
        _say(f"{len(settled.lost)} tasks had died without a word; their work is taken up again.")
    for fate in settled.stillborn[:MOST_FATES]:
        _say(f"ended before it began: {fate}")
    prepared = prepare(works, context, profile, again)
    _print(request, prepared, profile)
    if prepared.unsure:
        raise UserError(
            f"squeue does not answer, and {pieces(prepared.unsure)} may still be queued from an earlier "
            f"submission; submitting now could do them twice.",
            "Run the same command again in a minute, or where squeue works.",
        )
    before()
    if not prepared.schedule.arrays:
        _say("Nothing to submit.")
        return
    submission = submit(prepared, context, profile, request.name, lambda text: _say(f"submitted {text}"))
    _say(
        f"Submission {submission.id}. `{_status(request)}` shows how far it is, `cancel` takes it back, "
        "`report` can be run at any time."
    )


def cancel_sweep(path: Path) -> None:
    """Cancel the jobs of every submission of the sweep in ``path`` that still wait or run."""
    from ttt_bench.launch.slurm import commands as queue
    from ttt_bench.launch.slurm.submissions import read_submissions
    from ttt_bench.store.folder import SweepFolder

    folder = SweepFolder(path)
    submissions = read_submissions(folder)
    warn(folder.warnings)
    jobs = [job for submission in submissions for job in submission.jobs]
    if not jobs:
        raise UserError(f"{path} has no submission to a cluster.", "Check the name and --out.")
    living = queue.active(submission.user for submission in submissions)
    if living is not None:
        alive = {element.partition("_")[0] for element in living}
        jobs = [job for job in jobs if job in alive]
    if not jobs:
        _say("None of its jobs waits or runs any more.")
        return
    problem = queue.cancel(jobs)
    if problem:
        raise UserError(f"scancel failed: {problem}.", f"The jobs are {' '.join(jobs)}.")
    _say(f"Cancelled {len(jobs)} jobs: {' '.join(jobs)}. Everything finished is kept, and progress too.")


def _retry(retry: str) -> bool:
    check_retry(retry)
    return retry == "failed"


def _status(request: Request) -> str:
    """The command that shows this sweep, as a shell takes it."""
    out = [] if request.out == Path("results") else ["--out", str(request.out)]
    return shlex.join(["python", "-m", "ttt_bench", "status", request.name, *out])


def _say(text: str) -> None:
    console.print(text)


def _print(request: Request, prepared: Prepared, profile: Profile) -> None:
    from ttt_bench.launch.status import duration

    table = Table()
    for column in ("array", "stage", "tasks", "at once", "pieces of work", "walltime", "forecast", "after"):
        table.add_column(column, justify="right" if column in ("tasks", "at once", "pieces of work") else "left")
    for number, array in enumerate(prepared.schedule.arrays):
        works = sum(len(task.works) for task in array.tasks)
        after = [f"{a}" if t is None else f"{a}[{t}]" for a, t in array.after] + list(array.after_jobs)
        table.add_row(
            str(number), array.stage, str(len(array.tasks)), str(array.parallelism), str(works),
            duration(60 * profile.walltime), duration(array.seconds), _short(after),
        )  # fmt: skip
    if prepared.schedule.arrays:
        console.print(f"Arrays for {request.folder} ({profile.name})", style="italic")
        console.show(table)
    for line in summary(prepared, profile):
        _say(line)


def _short(after: list[str]) -> str:
    return " ".join(after) if len(after) <= 4 else " ".join(after[:3]) + f" and {len(after) - 3} more"


def summary(prepared: Prepared, profile: Profile) -> list[str]:
    """What the table does not say: cells by fate, cost, and where the numbers come from."""
    selection, schedule = prepared.selection, prepared.schedule
    cells = sum(work.goal for work in schedule.works)
    tasks = sum(len(array.tasks) for array in schedule.arrays)
    failed = sum(work.goal for work in selection.failed)
    blocked = sum(work.goal for work in selection.blocked)
    lines = [
        f"cells: {cells} to submit, {selection.done} are there, {selection.queued} already queued, "
        f"{failed} failed earlier, {blocked} blocked by a failure" + " (--retry failed)" * bool(failed or blocked)
    ]
    if prepared.unsure:
        lines.append(f"squeue does not answer: {pieces(prepared.unsure)} may be queued already")
    if tasks:
        gpus = profile.gpus
        hours = schedule.seconds / 3600
        unit, amount = ("GPU", gpus) if gpus else ("core", profile.cpus)
        limit = tasks * profile.walltime / 60 * amount
        lines += [
            f"cost: about {hours * amount:.1f} {unit}-hours in {tasks} tasks of {gpus} GPUs, {profile.cpus} cores"
            f"{', ' + profile.memory if profile.memory else ''} (at most {limit:.0f} {unit}-hours by walltime), "
            f"{prepared.parallelism} at once",
            f"forecast from {prepared.forecast.basis}",
            f"MaxArraySize {prepared.array_size}"
            if prepared.array_size
            else "MaxArraySize unknown here; 1000 is assumed",
        ]
    return lines
