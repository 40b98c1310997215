"""What this process may use of its machine: processors, memory, and how long it may live."""

from __future__ import annotations

import ctypes
import multiprocessing.connection
import os
import sys
import threading
from pathlib import Path

from ttt_bench.errors import UserError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cpus(cgroups: Path = CGROUPS) -> int:
    """Processors that this process may keep busy, at least 1; a node has more than a job on it is given.

    The least of its affinity, its control group's quota (whole processors, rounded down), ``SLURM_CPUS_PER_TASK``
    and the user's own ``OMP_NUM_THREADS``.

    Args:
        cgroups: where control groups are mounted.
    """
    return max(1, min(limit for limit in _cpu_limits(cgroups).values() if limit is not None))


def check_threads(threads: int) -> None:
    """Refuse to compute with more threads than there are processors for.

    Raises:
        UserError: there are fewer; the message says what sets the limit.
    """
    usable = usable_cpus()
    if threads > usable:
        least = min((limit, name) for name, limit in _cpu_limits(CGROUPS).items() if limit is not None)[1]
        raise UserError(
            f"--threads {threads}: this process may use {usable} processor{'s' * (usable > 1)} ({least}).",
            f"Give --threads {usable} (results of their own: another count gives other last digits), or allow more.",
        )


def _cpu_limits(cgroups: Path) -> dict[str, int | None]:
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "affinity": affinity,
        "control group": _quota(cgroups),
        "SLURM_CPUS_PER_TASK": _number(os.environ.get("SLURM_CPUS_PER_TASK", "")),
        # A list gives one number for each level of nesting; the outermost counts here.
        "OMP_NUM_THREADS": _number(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]),
    }


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdecimal() and int(text) > 0 else None


def _quota(cgroups: Path) -> int | None:
    """The tightest quota of this process's control group and those above it, of version 1 or 2."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return None  # not Linux: there are no control groups
    found = []
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = cgroups / controllers if controllers else cgroups
        # In a container the path is often that of the host: the mount itself is then the group.
        here = mount / inside.lstrip("/")
        found += [_share(folder) for folder in {mount, here, *here.parents} if folder.is_relative_to(mount)]
    shares = [share for share in found if share is not None]
    return max(1, int(min(shares))) if shares else None


def _share(group: Path) -> float | None:
    """Processors that the quota of one control group is worth; None without a quota."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
    except (OSError, ValueError):
        return None  # the group has no such file, or it is not shown to this process
    return int(quota) / int(period) if quota != "max" and int(quota) > 0 and int(period) > 0 else None


def resident_peak() -> int:
    """Peak resident bytes of this process since it started its program.

    On Linux ``ru_maxrss`` will not do: it survives exec, so that a small child shows its large parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return peak if sys.platform == "darwin" else peak * 1024


def reuse_freed_memory() -> bool:
    """Let glibc keep freed blocks of up to 1 GiB for the next request instead of handing them back to the system.

    By default every tensor above 32 MiB comes as fresh pages that the system must clear first, for every activation
    of every step: with the paper's network 10 to 20 % of a step's time, for 6 % more memory.

    Returns:
        Whether it was done; only glibc knows these settings, and elsewhere nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, 1 << 30)) and bool(mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))


def return_freed_memory() -> None:
    """Hand back what ``reuse_freed_memory`` keeps: between two pieces of work, of which one may need far less.

    Blocks of many sizes leave holes that fit nothing: a worker of a long sweep grew with each kind of work that it met.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def die_with_parent() -> None:
    """End this process when the one that started it is gone, even by a kill; it would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
