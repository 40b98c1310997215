"""Where every cell of a sweep stands, from the store; Slurm is asked only to tell what waits from what was lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttt_bench.errors import UserError
from ttt_bench.launch.slurm import commands as queue
from ttt_bench.launch.slurm.fate import fates
from ttt_bench.launch.slurm.submissions import Element, latest_elements, read_submissions
from ttt_bench.names import shown
from ttt_bench.store.claims import ClaimState
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import read_summary

State = Literal["done", "collapsed", "damaged", "running", "stale", "failed", "queued", "lost", "missing"]


@dataclass(frozen=True)
class Row:
    """One cell, or one training that cells wait for."""

    id: str
    label: str
    state: State
    detail: str = ""
    log: Path | None = None
    stillborn: bool = False
    """Lost before its work began, by a fault that starting it again does not mend."""


@dataclass(frozen=True)
class Overview:
    """A sweep at a glance."""

    cells: list[Row]
    others: list[Row]
    """Trainings and fits on a cluster that are not done."""
    answered: bool
    """Whether Slurm said which tasks are alive; without, a lost task looks like a queued one."""
    warnings: tuple[str, ...] = ()
    """Files that could not be read and were passed over."""

    @property
    def counts(self) -> Counter[State]:
        """Cells by state; collapsed ones are done as well, and counted apart."""
        return Counter(row.state for row in self.cells)


def look(folder: SweepFolder) -> Overview:
    """Read the state of everything that any sweep into ``folder`` asked for.

    Raises:
        UserError: the folder holds no sweep.
    """
    cells = {cell["id"]: shown(cell["label"]) for sweep in folder.sweeps() for cell in sweep["cells"]}
    elements = latest_elements(folder)
    submissions = read_submissions(folder)
    labels = {id: shown(label) for submission in submissions for id, label in submission.labels.items()}
    done, failed, claims = folder.done(), folder.failed(), folder.claims()
    waiting = [id for id in elements if id not in done and id not in failed]
    living = _living(folder) if waiting else None
    ends = {} if living is None else fates(elements[id] for id in waiting if elements[id].job not in living)

    def row(id: str, label: str) -> Row:
        element = elements.get(id)
        log = element.log if element else None
        if id in done:
            return _done(folder, id, label)
        if id in claims:
            return _claimed(claims[id], id, label, element, living)
        if id in failed:
            failure = folder.failure(id)
            what = f"attempt {failure.attempt}, {failure.kind}: {shown(failure.error)}" if failure else ""
            return Row(id, label, "failed", what, log)
        if element is None:
            return Row(id, label, "missing")
        if living is None or element.job in living:
            return Row(id, label, "queued", f"job {element.job}", log)
        fate = ends[element.job]
        return Row(id, label, "lost", str(fate), log, fate.stillborn)

    others = [row(id, label) for id, label in labels.items() if id in failed]
    rows = [row(id, label) for id, label in cells.items()]
    for id in sorted(done - cells.keys()):
        _look_at_stranger(folder, id)
    return Overview(rows, others, living is not None or not waiting, tuple(folder.warnings))


def _look_at_stranger(folder: SweepFolder, id: str) -> None:
    """Warn of a file among the cells that no sweep asked for and that no report can read."""
    try:
        read_summary(folder.cell_path(id))
    except UserError as error:
        folder.warn(error)


def _living(folder: SweepFolder) -> dict[str, str] | None:
    return queue.active(submission.user for submission in read_submissions(folder))


def _done(folder: SweepFolder, id: str, label: str) -> Row:
    try:
        summary: dict[str, Any] = read_summary(folder.cell_path(id))
    except UserError as error:
        return Row(id, label, "damaged", f"{shown(error.message)} {error.hint}")
    if summary.get("collapsed_step") is None:
        return Row(id, label, "done")
    reason = shown(summary.get("collapse_reason") or "")
    return Row(id, label, "collapsed", f"at step {summary['collapsed_step']}: {reason}")


def _claimed(claim: ClaimState, id: str, label: str, element: Element | None, living: dict[str, str] | None) -> Row:
    job = shown(claim.content.get("job", ""))
    dead = living is not None and element is not None and job == element.job and job not in living
    done, total = claim.progress
    detail = f"{done}/{total} updates, {duration(claim.seconds)}"
    if not claim.alive or dead:
        silent = f", silent for {duration(claim.age)}" if claim.age >= 0 else ", from the future"
        silent += ", its task is gone" * dead + ", its process is gone" * claim.orphaned
        return Row(id, label, "stale", detail + silent, element.log if element else None)
    remaining = claim.remaining
    if remaining is not None:
        detail += f", about {duration(remaining)} to go"
    if job:
        detail += f", job {job}"
    return Row(id, label, "running", detail, element.log if element else None)


def duration(seconds: float) -> str:
    """Seconds for people: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
