"""A cluster in one small file: what a task gets, where, and how many run at once."""

from __future__ import annotations

import re
import sys
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ttt_bench.errors import UserError, did_you_mean

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHORTEST_MINUTES = 20
"""submitit takes every signal within the first 10 minutes of a 10-minute job for a timeout, and gives up after a few
timeouts; from 20 minutes on it tells preemption from timeout."""

SbatchValue = str | int | float | bool


@dataclass(frozen=True)
class Profile:
    """One cluster profile; the fields are the keys of the file."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    gpus: int = 0
    """Per task; a task computes on CUDA when it has one."""
    cpus: int = 2
    """Cores per task."""
    memory: str = ""
    """Per task, as sbatch writes it: ``16G``."""
    walltime: int = 240
    """Minutes; in the file also ``HH:MM:SS`` or ``D-HH:MM:SS``."""
    constraint: str = ""
    exclude: str = ""
    setup: tuple[str, ...] = ()
    """Shell lines before the work: modules, environments, scratch folders."""
    array_parallelism: int = 16
    """Tasks of one sweep that run at once."""
    task_minutes: float = 30.0
    """Cells are bundled into tasks of about this length."""
    container: str = ""
    """What stands before ``python``, e.g. ``apptainer exec --nv image.sif``."""
    python: str = ""
    """The interpreter on the nodes; empty: the one that submits."""
    seconds_per_update: float = 0.5
    """Forecast for methods that have not been measured yet."""
    allow_short: bool = False
    """Allow a walltime below 20 minutes (for test clusters)."""
    signal_seconds: int = 90
    """How long before the end a task is told to save and requeue."""
    max_timeouts: int = 10
    """How often a task may run into its walltime and go on."""
    sbatch: MappingProxyType[str, SbatchValue] = field(default_factory=lambda: MappingProxyType({}))
    """Further ``#SBATCH --key=value`` lines."""
    name: str = "profile"
    """For people; the file's stem."""

    @property
    def device(self) -> str:
        """What tasks compute on."""
        return "cuda" if self.gpus else "cpu"

    @property
    def task_seconds(self) -> float:
        """The length that tasks are bundled to; half a walltime at most, so that a slow node need not requeue."""
        return 60 * min(self.task_minutes, self.walltime / 2)


KEYS = tuple(f.name for f in fields(Profile) if f.name != "name")


def read_profile(path: Path) -> Profile:
    """Read and check a profile.

    Raises:
        UserError: the file is missing, is not TOML, or a key or value in it is not understood; the message names both.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        others = [p.name for p in sorted(path.parent.glob("*.toml"))]
        raise UserError(f"The profile {path} does not exist.", did_you_mean(path.name, others)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The profile {path} is not TOML: {error}.", "See slurm/README.md for an example.") from error
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in KEYS:
            raise UserError(f"{path}: unknown key {key!r}.", did_you_mean(key, KEYS))
        values[key] = _value(path, key, value)
    profile = Profile(**values, name=path.stem)
    _check(path, profile)
    return profile


def _value(path: Path, key: str, value: Any) -> Any:
    if key == "walltime":
        return _minutes(path, value)
    if key == "setup":
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return tuple(value)
        raise UserError(f"{path}: setup must be a list of shell lines.", 'Write setup = ["module load python"].')
    if key == "sbatch":
        if isinstance(value, dict) and all(isinstance(v, (str, int, float, bool)) for v in value.values()):
            return MappingProxyType({name.replace("_", "-").lstrip("-"): item for name, item in value.items()})
        raise UserError(
            f"{path}: sbatch must be a table of plain values.", "Write [sbatch] and then key = value lines."
        )
    default = next(f.default for f in fields(Profile) if f.name == key)
    assert default is not MISSING
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise UserError(
            f"{path}: {key} must be {_KIND[type(default)]}, not {value!r}.",
            f"Write for example {key} = {_example(default)}.",
        )
    return value


_KIND = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _example(default: object) -> str:
    return {True: "true", False: "false"}[default] if isinstance(default, bool) else repr(default or "...")


def _minutes(path: Path, value: Any) -> int:
    """Minutes from a number of minutes, ``HH:MM:SS``, ``HH:MM`` or ``D-HH[:MM[:SS]]``; seconds are rounded up."""
    if type(value) is int:
        return value
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?", str(value))
    if match is None or type(value) is not str or (match[1] is None and match[3] is None):
        raise UserError(
            f"{path}: walltime {value!r} is not a time.",
            'Write minutes (walltime = 240), "04:00:00" or "1-12:00:00".',
        )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


def _check(path: Path, profile: Profile) -> None:
    for key, least in (
        ("gpus", 0), ("cpus", 1), ("walltime", 1), ("array_parallelism", 1), ("signal_seconds", 1), ("max_timeouts", 0),
    ):  # fmt: skip
        if getattr(profile, key) < least:
            raise UserError(f"{path}: {key} must be at least {least}, not {getattr(profile, key)}.")
    for key in ("task_minutes", "seconds_per_update"):
        if not getattr(profile, key) > 0:
            raise UserError(f"{path}: {key} must be above 0, not {getattr(profile, key)}.")
    if profile.walltime < SHORTEST_MINUTES and not profile.allow_short:
        raise UserError(
            f"{path}: walltime is {profile.walltime} minutes; below {SHORTEST_MINUTES} submitit cannot tell a "
            "preempted task from one that ran out of time.",
            f"Give at least {SHORTEST_MINUTES} minutes, or allow_short = true on a test cluster.",
        )
    if profile.memory and not re.fullmatch(r"\d+[KMGTkmgt]?B?", profile.memory):
        raise UserError(f"{path}: memory {profile.memory!r} is not a size.", 'Write for example memory = "16G".')
