"""Which process made something, so that another one can tell whether it still lives."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number."""

    machine: str
    """Of one start of one machine, and of one space of process numbers in it (a container has its own); empty where
    the system does not say, so that nothing can be known of its processes."""
    pid: int
    start: str
    """When the process started, in the machine's own ticks; empty where the system does not say."""

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        return cls(_machine(), os.getpid(), _start(os.getpid()) or "")

    @property
    def token(self) -> str:
        """As part of a file name."""
        return f"{self.machine or 'x'}-{self.pid}-{self.start or 'x'}"

    @classmethod
    def of_token(cls, token: str) -> Owner | None:
        """The owner that ``token`` names; None for other text."""
        found = re.fullmatch(r"(x|[0-9a-f]{12})-([0-9]{1,10})-(x|[0-9]{1,20})", token)
        if found is None:
            return None
        machine, pid, start = (text.replace("x", "") for text in found.groups())
        return cls(machine, int(pid), start)

    @property
    def dead(self) -> bool | None:
        """Whether the process is gone; None where this process cannot know (another machine, container or system)."""
        if not self.machine or not self.start or self.machine != _machine():
            return None
        return _start(self.pid) != self.start


@cache
def _machine() -> str:
    import hashlib

    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    # Hashed: the name of a machine is nobody's business in a folder that is passed on.
    return hashlib.sha256(f"{socket.gethostname()} {boot} {space}".encode()).hexdigest()[:12]


def _start(pid: int) -> str | None:
    """Ticks from the machine's start to the process's; None when there is no such process, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold anything, brackets too; the fields after it are numbers (proc(5)).
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20 or fields[0] in "ZXx":
        return None
    return fields[19]
