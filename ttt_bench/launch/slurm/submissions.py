"""What was submitted to a cluster, as the sweep's folder remembers it: one file per submission."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.files import read_json, write_json
from ttt_bench.store.folder import SweepFolder


@dataclass(frozen=True)
class Element:
    """One task of a submission, as Slurm knows it."""

    job: str
    """``ARRAY_INDEX``, or the job's number when the array has one element."""
    stage: str
    log: Path


@dataclass(frozen=True)
class SubmittedArray:
    """One array of a submission."""

    job: str
    stage: str
    tasks: tuple[tuple[str, ...], ...]
    """Identities of the work of each task."""
    after: str = ""
    """The dependency as ``sbatch`` was given it."""

    def element(self, index: int) -> str:
        """Slurm's name of task ``index``; a single task is an ordinary job."""
        return f"{self.job}_{index}" if len(self.tasks) > 1 else self.job


@dataclass(frozen=True)
class Submission:
    """Everything that one ``sweep --executor slurm`` handed over."""

    id: str
    time: float
    user: str
    profile: dict[str, Any]
    arrays: tuple[SubmittedArray, ...]
    labels: dict[str, str]
    """Of trainings; cells have theirs in the sweep's settings."""

    @property
    def jobs(self) -> list[str]:
        """Numbers of all arrays."""
        return [array.job for array in self.arrays]

    def write(self, folder: SweepFolder) -> None:
        """Store the record."""
        arrays = [{"job": a.job, "stage": a.stage, "after": a.after, "tasks": a.tasks} for a in self.arrays]
        content = {**vars(self), "arrays": arrays}
        write_json(records(folder) / f"{self.id}.json", content)

    def elements(self, folder: SweepFolder) -> dict[str, Element]:
        """By identity of work: the task that does it."""
        logs = records(folder) / self.id
        found: dict[str, Element] = {}
        for array in self.arrays:
            for index, ids in enumerate(array.tasks):
                job = array.element(index)
                element = Element(job, array.stage, logs / f"{job}_0_log.out")
                found |= dict.fromkeys(ids, element)
        return found


def records(folder: SweepFolder) -> Path:
    """Where the records lie, and beside each, in a folder of its name, the logs."""
    return folder.path / "slurm"


def read_submissions(folder: SweepFolder) -> list[Submission]:
    """All submissions of a sweep, oldest first; ``folder.warnings`` names records that are none."""
    found = []
    for path in sorted(records(folder).glob("[!.]*.json")):
        try:
            found.append(_read(path))
        except UserError as error:
            folder.warn(error)
    return sorted(found, key=lambda submission: submission.time)  # names tell seconds only


def _read(path: Path) -> Submission:
    content = read_json(path)
    try:
        arrays = tuple(
            SubmittedArray(_number(a["job"]), _text(a["stage"]), _tasks(a["tasks"]), _text(a["after"]))
            for a in content["arrays"]
        )
        labels = {_text(id): _text(label) for id, label in content["labels"].items()}
        return Submission(
            path.stem, float(content["time"]), _text(content["user"]), dict(content["profile"]), arrays, labels
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no record of a submission that this version knows; its jobs are left out."
        ) from error


def _tasks(value: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list) or not all(isinstance(ids, list) for ids in value):
        raise TypeError
    return tuple(tuple(map(_text, ids)) for ids in value)


def _number(value: object) -> str:
    """A job's number is handed to scancel, which must not take it for an option."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]+", value):
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError
    return value


def latest_elements(folder: SweepFolder) -> dict[str, Element]:
    """By identity of work: the last task that was submitted for it."""
    found: dict[str, Element] = {}
    for submission in read_submissions(folder):
        found |= submission.elements(folder)
    return found
