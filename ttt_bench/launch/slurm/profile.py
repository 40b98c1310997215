"""A cluster in one small file: what a task gets, where, and how many run at once."""

from __future__ import annotations

import math
import re
import shlex
import sys
import unicodedata
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

OWN_KEYS = {
    "time": "walltime", "mem": "memory", "cpus-per-task": "cpus", "gpus-per-node": "gpus", "partition": "partition",
    "account": "account", "qos": "qos", "constraint": "constraint", "exclude": "exclude",
}  # fmt: skip
"""Options of sbatch that the profile has keys for."""
RESERVED = frozenset((
    "array", "dependency", "error", "input", "job-name", "nodes", "ntasks", "ntasks-per-node", "open-mode", "output",
    "parsable", "quiet", "signal", "test-only", "wait", "wrap",
))  # fmt: skip
"""Options of sbatch on which the submission itself rests."""


def _number(default: float, least: float, most: float) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True)
class Profile:
    """One cluster profile; the fields are the keys of the file."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    gpus: int = _number(0, 0, 64)
    """Per task; a task computes on CUDA when it has one."""
    cpus: int = _number(2, 1, 4096)
    """Cores per task."""
    memory: str = ""
    """Per task, as sbatch writes it: ``16G``."""
    walltime: int = _number(240, 1, 527040)
    """Minutes; in the file also ``HH:MM:SS`` or ``D-HH:MM:SS``."""
    constraint: str = ""
    exclude: str = ""
    setup: tuple[str, ...] = ()
    """Shell lines before the work: modules, environments, scratch folders."""
    array_parallelism: int = _number(16, 1, 100000)
    """Tasks of one sweep that run at once."""
    task_minutes: float = _number(30.0, 0.001, 1e6)
    """Cells are bundled into tasks of about this length."""
    container: str = ""
    """What stands before ``python``, e.g. ``apptainer exec --nv image.sif``."""
    python: str = ""
    """The interpreter on the nodes; empty: the one that submits."""
    seconds_per_update: float = _number(0.5, 1e-6, 1e6)
    """Forecast for methods that have not been measured yet."""
    allow_short: bool = False
    """Allow a walltime below 20 minutes (for test clusters)."""
    signal_seconds: int = _number(90, 1, 65535)
    """How long before the end a task is told to save and requeue."""
    max_timeouts: int = _number(10, 0, 1000)
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
    content = _parse(path)
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in KEYS:
            raise UserError(f"{path}: unknown key {key!r}.", did_you_mean(key, KEYS))
        values[key] = _value(path, key, value)
    profile = Profile(**values, name=path.stem)
    _check(path, profile)
    return profile


def check_room(profile: Profile, threads: int, processes: int) -> None:
    """Refuse a profile that gives a worker fewer cores than ``threads``, or a training less than ``processes`` need.

    Raises:
        UserError: it does.
    """
    workers = max(1, profile.gpus)
    each = max(1, profile.cpus // workers)
    if threads > each:
        shared = f", {each} for each of {workers} workers" if workers > 1 else ""
        raise UserError(
            f"--threads {threads}: {profile.name} gives a task {profile.cpus} cores{shared}.",
            f"Write cpus = {threads * workers} into the profile, or give fewer threads.",
        )
    key, given, needed = (
        ("gpus", profile.gpus, processes) if profile.gpus else ("cpus", profile.cpus, processes * threads)
    )
    if processes > 1 and needed > given:
        raise UserError(
            f"--train-processes {processes}: {profile.name} gives a task {given} {key}, a training needs {needed}.",
            f"Write {key} = {needed} into the profile, or give fewer processes.",
        )


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"The profile {path} is not a file.", "Start from slurm/cpu.toml or slurm/h100.toml.")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        others = [p.name for p in sorted(path.parent.glob("*.toml"))]
        raise UserError(f"The profile {path} does not exist.", did_you_mean(path.name, others)) from error
    except OSError as error:
        raise UserError(f"The profile {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"The profile {path} is not TOML: {error}.", "See slurm/README.md for an example.") from error


def _value(path: Path, key: str, value: Any) -> Any:
    if key == "walltime":
        return _minutes(path, value)
    if key == "setup":
        return _setup(path, value)
    if key == "sbatch":
        return _sbatch(path, value)
    default = next(f.default for f in fields(Profile) if f.name == key)
    assert default is not MISSING
    if isinstance(default, float) and type(value) is int:
        return float(value) if abs(value) < MOST_EXACT else math.inf  # which no range allows
    if type(value) is not type(default):
        raise UserError(
            f"{path}: {key} must be {_KIND[type(default)]}, not {value!r}.",
            f"Write for example {key} = {_example(default)}.",
        )
    if not isinstance(value, str):
        return value
    text = _one_line(path, key, value)
    return _without_tilde(path, text) if key == "python" else text


_KIND = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _example(default: object) -> str:
    return {True: "true", False: "false"}[default] if isinstance(default, bool) else repr(default or "...")


MOST_EXACT = 1 << 53
LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def _one_line(path: Path, key: str, text: str, allowed: str = "") -> str:
    """``text``, which goes into a script line by line: with a line break it would add lines of its own.

    Raises:
        UserError: it holds a line break or another control character.
    """
    bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in allowed), None)
    if bad is not None:
        raise UserError(
            f"{path}: {key} holds {'a line break' if bad in LINE_BREAKS else 'a control character'}: {text!r}.",
            "Write it on one line, without control characters.",
        )
    return text


def _without_tilde(path: Path, python: str) -> str:
    """The interpreter is quoted in the script, where a shell would not expand the tilde."""
    try:
        return str(Path(python).expanduser()) if python.startswith("~") else python
    except RuntimeError as error:
        raise UserError(f"{path}: python {python!r} names an unknown user.", "Write the whole path.") from error


def _setup(path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise UserError(f"{path}: setup must be a list of shell lines.", 'Write setup = ["module load python"].')
    for line in value:
        _one_line(path, "setup", line, allowed="\t")
        if line.lstrip().startswith("#SBATCH"):
            raise UserError(f"{path}: setup holds an option of sbatch: {line!r}.", "Write it below [sbatch].")
    return tuple(value)


def _sbatch(path: Path, value: Any) -> MappingProxyType[str, SbatchValue]:
    if not isinstance(value, dict) or not all(isinstance(v, (str, int, float, bool)) for v in value.values()):
        raise UserError(
            f"{path}: sbatch must be a table of plain values.", "Write [sbatch] and then key = value lines."
        )
    found: dict[str, SbatchValue] = {}
    for name, item in value.items():
        key = name.replace("_", "-").lstrip("-")
        where = f"sbatch.{name!r}"
        if not re.fullmatch(r"[a-z][a-z0-9-]*", key):
            raise UserError(f"{path}: {where} is no option of sbatch.", 'Write its long name, mail-type = "FAIL".')
        if key in OWN_KEYS:
            raise UserError(f"{path}: {where} has a key of its own.", f"Write {OWN_KEYS[key]} = ... above [sbatch].")
        if key in RESERVED:
            raise UserError(f"{path}: {where} is set by the submission itself.", "Delete the line.")
        if key in found:
            raise UserError(f"{path}: {where} is given twice.", "Keep one of the two lines.")
        if isinstance(item, str):
            _one_line(path, where, item)
        elif not math.isfinite(item):
            raise UserError(f"{path}: {where} must be finite, not {item}.")
        found[key] = item
    return MappingProxyType(found)


def _minutes(path: Path, value: Any) -> int:
    """Minutes from a number of minutes, ``HH:MM:SS``, ``HH:MM`` or ``D-HH[:MM[:SS]]``; seconds are rounded up."""
    if type(value) is int:
        return value
    match = re.fullmatch(r"(?:([0-9]{1,4})-)?([0-9]{1,6})(?::([0-9]{2}))?(?::([0-9]{2}))?", str(value))
    if match is None or type(value) is not str or (match[1] is None and match[3] is None):
        raise UserError(
            f"{path}: walltime {value!r} is not a time.",
            'Write minutes (walltime = 240), "04:00:00" or "1-12:00:00".',
        )
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes + (seconds > 0)


def _check(path: Path, profile: Profile) -> None:
    for f in fields(Profile):
        value = getattr(profile, f.name)
        if f.metadata and not value >= f.metadata["least"]:
            raise UserError(f"{path}: {f.name} must be at least {f.metadata['least']:g}, not {value!r}.")
        if f.metadata and not value <= f.metadata["most"]:
            raise UserError(f"{path}: {f.name} must be at most {f.metadata['most']:g}, not {value!r}.")
    if profile.walltime < SHORTEST_MINUTES and not profile.allow_short:
        raise UserError(
            f"{path}: walltime is {profile.walltime} minutes; below {SHORTEST_MINUTES} submitit cannot tell a "
            "preempted task from one that ran out of time.",
            f"Give at least {SHORTEST_MINUTES} minutes, or allow_short = true on a test cluster.",
        )
    if profile.signal_seconds >= 60 * profile.walltime and not profile.allow_short:
        raise UserError(f"{path}: signal_seconds must be shorter than the walltime of {profile.walltime} minutes.")
    if profile.memory and not re.fullmatch(r"[0-9]{1,12}[KMGTkmgt]?B?", profile.memory):
        raise UserError(f"{path}: memory {profile.memory!r} is not a size.", 'Write for example memory = "16G".')
    try:
        shlex.split(profile.container)
    except ValueError as error:
        raise UserError(f"{path}: container is no shell text: {error}.", "Close its quotes.") from error
