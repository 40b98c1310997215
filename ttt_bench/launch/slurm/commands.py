"""What Slurm says of jobs. Every question may stay unanswered: then the answer is None, never a guess."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ttt_bench.launch.slurm.environment import slurm_environment

PATIENCE_SECONDS = 20.0
DEFAULT_ARRAY_SIZE = 1000


@dataclass(frozen=True)
class End:
    """How the accounting says that a task ended."""

    state: str
    """``FAILED``, ``TIMEOUT``, ...; of "CANCELLED by 1000" the first word."""
    exit_code: str = ""
    """As Slurm writes it, ``code:signal``."""


def ask(*command: str) -> str | None:
    """Output of a Slurm command; None when it is not there, fails or does not answer in time."""
    try:
        return _run(*command)
    except (OSError, subprocess.SubprocessError):
        return None


def max_array_size() -> int | None:
    """The site's ``MaxArraySize``; None where no controller answers."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config") or "", re.MULTILINE)
    return int(match[1]) if match else None


def user() -> str:
    """Who submits, as squeue knows it: the name, or the number of a user without one."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def active(users: Iterable[str]) -> dict[str, str] | None:
    """State by job (``123``) and by element (``123_4``) of all that ``users`` have waiting or running.

    None: nobody answers.
    """
    names = sorted(set(users))
    # A number that no name belongs to is refused by squeue, unless it is one's own.
    whose = ["--me"] if names == [str(os.getuid())] else ["--user", ",".join(names)]
    text = ask("squeue", "--noheader", "--array", *whose, "--format", "%i|%T")
    if text is None:
        return None
    found = {job: end.state for job, end in _table(text).items()}
    # A job lives as long as any of its elements.
    return {**{job.partition("_")[0]: state for job, state in found.items()}, **found}


def ended(jobs: Sequence[str]) -> dict[str, End]:
    """How each job element ended, from the accounting; empty where there is none."""
    if not jobs:
        return {}
    columns = "JobID,State,ExitCode"
    text = ask("sacct", "--noheader", "--parsable2", "--allocations", "--format", columns, "--jobs", ",".join(jobs))
    return _table(text or "")


def cancel(jobs: Sequence[str]) -> str:
    """Cancel ``jobs``; what went wrong, or an empty text."""
    try:
        _run("scancel", *jobs)
    except FileNotFoundError:
        return "scancel is not on this machine"
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip() or f"scancel ended with {error.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return ""


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE_SECONDS, check=True,
        env=slurm_environment(),
    )  # fmt: skip
    return done.stdout


def _table(text: str) -> dict[str, End]:
    rows = (line.strip().split("|") for line in text.splitlines() if "|" in line)
    return {job: End((state.split() or [""])[0], *more[:1]) for job, state, *more in rows}
