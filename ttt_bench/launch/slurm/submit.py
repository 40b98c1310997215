"""Submitting a schedule through submitit. The command that submits ends at once; everything after is in the store."""

from __future__ import annotations

import shlex
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ttt_bench
from ttt_bench.domains.disk.options import Roots
from ttt_bench.errors import UserError
from ttt_bench.forecast.forecast import Forecast, make_forecast
from ttt_bench.identity import plain
from ttt_bench.launch.slurm import commands as queue
from ttt_bench.launch.slurm.environment import as_slurm_sees_it
from ttt_bench.launch.slurm.fate import fates
from ttt_bench.launch.slurm.profile import Profile
from ttt_bench.launch.slurm.schedule import JobArray, Limits, Schedule, Selection, schedule, select
from ttt_bench.launch.slurm.submissions import Submission, SubmittedArray, latest_elements, read_submissions, records
from ttt_bench.launch.task import SweepTask
from ttt_bench.plan.artifacts import claim_path, done_of, standing
from ttt_bench.plan.work import Adapt, Context, Work
from ttt_bench.store.claims import drop_claim
from ttt_bench.store.failures import Kind
from ttt_bench.store.folder import SweepFolder


@dataclass(frozen=True)
class Prepared:
    """What a sweep would submit, and why nothing else."""

    selection: Selection
    schedule: Schedule
    forecast: Forecast
    works: Mapping[str, Work]
    """The whole plan, by identity."""
    array_size: int | None
    """The site's limit; None where no controller answered and the default was taken."""
    unsure: int = 0
    """Work of earlier submissions that may still be queued: squeue does not answer."""

    @property
    def parallelism(self) -> int:
        """Tasks that run at once, at most."""
        stages = {array.stage for array in self.schedule.arrays}
        return max((sum(a.parallelism for a in self.schedule.arrays if a.stage == s) for s in stages), default=0)


def prepare(works: Sequence[Work], context: Context, profile: Profile, retry_failed: bool) -> Prepared:
    """Lay out what is missing. ``plan``, ``--dry-run`` and the submission itself all go through here.

    Args:
        works: of the whole plan.
        context: where and with what they are done.
        profile: with room for the plan's threads and processes, see ``check_room``.
        retry_failed: whether work that failed earlier is taken up again.
    """
    folder = SweepFolder(context.folder)
    now = standing(works, context)
    queued, unsure = _queued(folder, {w.id for w in works} - now.done - now.failed.keys())
    selection = select(works, now.done, now.given_up(retry_failed).keys(), queued)
    size = queue.max_array_size()
    limits = Limits(size or queue.DEFAULT_ARRAY_SIZE, profile.array_parallelism, profile.task_seconds)
    forecast = make_forecast(
        [w.cell for w in works if isinstance(w, Adapt)], context.extra_methods, folder, profile.seconds_per_update
    )
    return Prepared(
        selection, schedule(selection.open, forecast, limits, queued), forecast, {w.id: w for w in works}, size, unsure
    )


def _queued(folder: SweepFolder, open_: set[str]) -> tuple[dict[str, str], int]:
    """The tasks that still wait or run and will do some of ``open_``, by identity; how much of it nobody knows of."""
    elements = {id: element for id, element in latest_elements(folder).items() if id in open_}
    if not elements:
        return {}, 0
    living = queue.active(submission.user for submission in read_submissions(folder))
    if living is None:
        return {}, len(elements)
    return {id: element.job for id, element in elements.items() if element.job in living}, 0


LOST: dict[str, tuple[Kind, str]] = {
    "OUT_OF_MEMORY": ("out-of-memory", "Slurm killed the task: it used more memory than the profile gives."),
    "TIMEOUT": ("timeout", "Slurm stopped the task at its walltime."),
    "PREEMPTED": ("preempted", "Slurm preempted the task."),
}


@dataclass(frozen=True)
class Settled:
    """What was found of tasks that ended without recording it themselves."""

    lost: tuple[str, ...] = ()
    """Labels of work that had begun."""
    stillborn: tuple[str, ...] = ()
    """What became of tasks that died before any work, as the same would again."""


def settle_lost(folder: SweepFolder, works: Sequence[Work], context: Context) -> Settled:
    """Record what became of work whose task died without a word, and drop its claim."""
    elements = latest_elements(folder)
    mine = [w for w in works if w.id in elements]
    over = done_of(mine, context)
    mine = [w for w in mine if w.id not in over]
    living = queue.active(submission.user for submission in read_submissions(folder)) if mine else None
    if living is None:
        return Settled()
    dead = [w for w in mine if elements[w.id].job not in living]
    ends = fates(elements[w.id] for w in dead)
    lost = []
    for work in dead:
        fate = ends[elements[work.id].job]
        if drop_claim(claim_path(work, context), job=fate.job):
            lost.append(work.label)
            if fate.state != "CANCELLED":
                kind, reason = LOST.get(fate.state, ("node-loss", f"The task ended without a word: {fate}."))
                folder.fail(work.id, work.label, reason, kind)
        elif fate.stillborn and not _counted(folder, work, fate.job):
            folder.fail(work.id, work.label, f"The task ended before it began: {fate}", "node-loss")
    return Settled(tuple(lost), tuple(sorted({str(fate) for fate in ends.values() if fate.stillborn})))


def _counted(folder: SweepFolder, work: Work, job: str) -> bool:
    """Whether the death of ``job`` is recorded already: a sweep that could not submit is started again."""
    failure = folder.failure(work.id)
    return failure is not None and f"job {job} " in failure.error


def submit(
    prepared: Prepared, context: Context, profile: Profile, name: str, say: Callable[[str], None] = lambda _: None
) -> Submission:
    """Hand the schedule to Slurm, array by array; the record is written after each, so that none is ever unknown.

    Raises:
        UserError: Slurm is not there, or it refuses an array.
    """
    folder = SweepFolder(context.folder)
    context = absolute(context, profile)
    submission = Submission(
        id=f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}",
        time=time.time(),
        user=queue.user(),
        profile=plain({**vars(profile), "sbatch": dict(profile.sbatch)}),
        arrays=(),
        labels={w.id: w.label for w in prepared.schedule.works if not isinstance(w, Adapt)},
    )
    logs = _log_folder(folder, submission.id)
    for array in prepared.schedule.arrays:
        after = dependency(array, submission.arrays)
        tasks = [_task(task.works, prepared.works, context, profile) for task in array.tasks]
        job = _sbatch(logs, parameters(profile, array, after, f"ttt-{name}-{array.stage}"), tasks, profile)
        ids = tuple(tuple(work.id for work in task.works) for task in array.tasks)
        submission = replace(submission, arrays=(*submission.arrays, SubmittedArray(job, array.stage, ids, after)))
        submission.write(folder)
        say(f"job {job}: {array.stage}, {len(ids)} tasks" + f", after {after.partition(':')[2]}" * bool(after))
    return submission


def _log_folder(folder: SweepFolder, id: str) -> Path:
    """Where the logs of a submission go.

    Raises:
        UserError: the path cannot be handed to Slurm.
    """
    logs = (records(folder) / id).absolute()
    if "%" in str(logs) or not str(logs).isprintable():
        raise UserError(
            f"{str(folder.path)!r} holds a % or a control character, which Slurm would take for a pattern of its own.",
            "Choose another folder with --out, or another --name.",
        )
    return logs


def absolute(context: Context, profile: Profile) -> Context:
    """The context as a node sees it: whole paths, the profile's device."""
    return replace(
        context,
        folder=context.folder.absolute(),
        cache=context.cache.absolute(),
        roots=Roots.of(context.roots).absolute(),
        extra_methods=tuple(path.absolute() for path in context.extra_methods),
        device=profile.device,
    )


def dependency(array: JobArray, submitted: Sequence[SubmittedArray]) -> str:
    """``afterany:...`` over the tasks that ``array`` waits for; empty when it waits for none.

    ``afterany``, not ``afterok``: after a failed training, cells that need it would wait for ever. They start,
    find it missing, and say so.
    """
    jobs = [submitted[number].job if task is None else submitted[number].element(task) for number, task in array.after]
    return ":".join(["afterany", *jobs, *array.after_jobs]) if jobs or array.after_jobs else ""


def parameters(profile: Profile, array: JobArray, after: str, name: str) -> dict[str, Any]:
    """What submitit is told; its own names for sbatch's options."""
    optional = {
        "partition": profile.partition, "account": profile.account, "qos": profile.qos, "mem": profile.memory,
        "constraint": profile.constraint, "exclude": profile.exclude, "dependency": after,
        "gpus_per_node": profile.gpus,
    }  # fmt: skip
    return {
        **{key: value for key, value in optional.items() if value},
        "job_name": name,
        "time": profile.walltime,
        "nodes": 1,
        # More tasks per node would run every cell several times over.
        "ntasks_per_node": 1,
        "cpus_per_task": profile.cpus,
        "array_parallelism": array.parallelism,
        "signal_delay_s": profile.signal_seconds,
        "stderr_to_stdout": True,
        "setup": [*profile.setup, *_import_path()],
        # From Slurm 22.05 on srun no longer takes the cores from the job.
        "srun_args": ["--cpus-per-task", str(profile.cpus)],
        "additional_parameters": {
            key: value for key, value in {"requeue": True, **profile.sbatch}.items() if value is not False
        },
    }


def _import_path() -> list[str]:
    """From a clone that is not installed, nodes must find the package where this process found it."""
    root = Path(ttt_bench.__file__).resolve().parent.parent
    if root.name in ("site-packages", "dist-packages"):
        return []
    return [f'export PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}"']


def _task(works: tuple[Work, ...], all_works: Mapping[str, Work], context: Context, profile: Profile) -> SweepTask:
    own = {work.id for work in works}
    needs = {need: all_works[need] for work in works for need in work.needs if need not in own}
    return SweepTask(works, needs, context, profile.walltime, profile.signal_seconds, max(1, profile.gpus))


def _sbatch(logs: Path, options: dict[str, Any], tasks: Sequence[SweepTask], profile: Profile) -> str:
    """Submit one array; its job number."""
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    interpreter = shlex.quote(profile.python or sys.executable)
    python = " ".join(part for part in (profile.container, interpreter) if part)
    try:
        executor = SlurmExecutor(logs, max_num_timeout=profile.max_timeouts, python=python)
    except RuntimeError as error:
        raise UserError(
            "There is no Slurm on this machine: srun is not on the PATH.",
            "Submit from a login node; `plan --executor slurm` works anywhere.",
        ) from error
    executor.update_parameters(**options)
    try:
        with as_slurm_sees_it():
            jobs = executor.submit_array(tasks)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(
            f"sbatch refused the array ({options['job_name']}): {lines[-1].strip() if lines else error}",
            f"Check the profile {profile.name}. What was submitted before is recorded; `cancel` takes it back.",
        ) from error
    job: str = jobs[0].job_id.partition("_")[0]
    return job
