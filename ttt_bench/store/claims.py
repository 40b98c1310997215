"""Who is doing what right now. Claims are heartbeats, not locks: a stale one never has to be cleaned up by hand."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

STALE_SECONDS = 60.0
"""A claim whose file has not been touched for this long is dead and may be taken over."""
BEAT_SECONDS = 10.0


@dataclass(frozen=True)
class ClaimState:
    """What a claim file says."""

    id: str
    age: float
    """Seconds since the last heartbeat."""
    content: dict[str, Any]

    @property
    def alive(self) -> bool:
        """Whether somebody still works on it."""
        return self.age < STALE_SECONDS

    @property
    def progress(self) -> tuple[int, int]:
        """(updates done, updates in all); zeros before the first."""
        return int(self.content.get("done", 0)), int(self.content.get("total", 0))

    @property
    def seconds(self) -> float:
        """Since its holder started."""
        return time.time() - float(self.content.get("started", time.time()))

    @property
    def remaining(self) -> float | None:
        """Forecast of the seconds until it is done, from the pace so far; None before there is one."""
        (done, total), first = self.progress, int(self.content.get("first", 0))
        if done <= first:
            return None
        pace = (self.seconds - self.age) / (done - first)
        return max(0.0, pace * (total - done) - self.age)


class Claim:
    """A claim on one piece of work, kept fresh by a thread until it is released.

    A claim only avoids doing work twice. Correctness never rests on it: results are written by rename under
    an identity, so two processes that do the same cell leave one whole file.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._token = uuid.uuid4().hex
        self._content: dict[str, Any] = {
            "what": what,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "job": slurm_job(),
            "token": self._token,
            "started": time.time(),
        }
        self._progress: tuple[int, int] = (0, 0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the claim; False when somebody alive holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            state = read_claim(self.path)
            if state is not None and state.alive:
                return False
            # Take over by rename: of several takers the last one stands, and it finds its own token.
            self._write()
            time.sleep(0.05)
            current = read_claim(self.path)
            if current is None or current.content.get("token") != self._token:
                return False
        else:
            with os.fdopen(handle, "w") as file:
                json.dump(self._content, file)
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"heartbeat {self.path.name}")
        self._thread.start()
        return True

    def note(self, done: int, total: int) -> None:
        """Remember how far the work is; written with the next heartbeat."""
        # Work that goes on from a saved step does not start at 0, and its pace is that of this start alone.
        self._content.setdefault("first", max(0, done - 1))
        self._progress = (done, total)

    def release(self) -> None:
        """Give the claim up."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        state = read_claim(self.path)
        if state is not None and state.content.get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        done, total = self._progress
        content = {**self._content, "done": done, "total": total}
        temporary = self.path.with_name(f".{self.path.name}.{self._token}.tmp")
        try:
            temporary.write_text(json.dumps(content))
            temporary.replace(self.path)
        except OSError:
            # A heartbeat that cannot be written (full disk, folder gone) must not kill the work it reports;
            # the claim goes stale, and at worst the work is done twice.
            temporary.unlink(missing_ok=True)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def slurm_job() -> str:
    """``ARRAY_INDEX`` or the job id of the Slurm task this process belongs to; empty elsewhere."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID", "")


def drop_claim(path: Path, **holder: Any) -> bool:
    """Remove the claim of a holder that is known to be dead, by what its claim says of it; True if it was there."""
    state = read_claim(path)
    if state is None or any(state.content.get(key) != value for key, value in holder.items()):
        return False
    path.unlink(missing_ok=True)
    return True


def read_claim(path: Path) -> ClaimState | None:
    """The claim at ``path``, or None when there is none."""
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
    except ValueError:
        content = {}  # created a moment ago and not yet written
    return ClaimState(path.stem, age, content if isinstance(content, dict) else {})
