"""What Slurm says of jobs. Every question may stay unanswered: then the answer is None, never a guess."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence

PATIENCE_SECONDS = 20.0
DEFAULT_ARRAY_SIZE = 1000


def ask(*command: str) -> str | None:
    """Output of a Slurm command; None when it is not there, fails or does not answer in time."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def max_array_size() -> int | None:
    """The site's ``MaxArraySize``; None where no controller answers."""
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config") or "", re.MULTILINE)
    return int(match[1]) if match else None


def active(users: Iterable[str]) -> dict[str, str] | None:
    """State by job element (``123_4`` or ``123``) of all jobs of ``users`` that wait or run; None: nobody answers."""
    text = ask("squeue", "--noheader", "--array", "--user", ",".join(sorted(set(users))), "--format", "%i|%T")
    if text is None:
        return None
    return dict(_split(line) for line in text.splitlines() if "|" in line)


def ended(jobs: Sequence[str]) -> dict[str, str]:
    """Final state by job element, from the accounting; empty where there is none."""
    if not jobs:
        return {}
    text = ask(
        "sacct", "--noheader", "--parsable2", "--allocations", "--format", "JobID,State", "--jobs", ",".join(jobs)
    )
    return dict(_split(line) for line in (text or "").splitlines() if "|" in line)


def _split(line: str) -> tuple[str, str]:
    job, _, state = line.strip().partition("|")
    return job, state.split()[0] if state.split() else ""  # "CANCELLED by 1000"


def cancel(jobs: Sequence[str]) -> str:
    """Cancel ``jobs``; what went wrong, or an empty text."""
    try:
        subprocess.run(["scancel", *jobs], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    except FileNotFoundError:
        return "scancel is not on this machine"
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip() or f"scancel ended with {error.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return ""
