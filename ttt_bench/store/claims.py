"""Who is doing what right now. Claims are heartbeats, not locks: a stale one never has to be cleaned up by hand."""

from __future__ import annotations

import contextlib
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

from ttt_bench.errors import UserError
from ttt_bench.files import clock_of, explained, read_object, temporary_beside
from ttt_bench.names import shown
from ttt_bench.owner import Owner

STALE_SECONDS = 60.0
"""A claim whose file has not been touched for this long is dead and may be taken over."""
BEAT_SECONDS = 10.0
WRITING_SECONDS = 2.0
"""A claim that holds nothing yet may be in the making for so long."""
MOST = 1e15
"""A number in a claim that is larger is nonsense and counts as 0."""


@dataclass(frozen=True)
class ClaimState:
    """What a claim file says. Its numbers are the holder's own: nothing here compares the clocks of two machines."""

    id: str
    age: float
    """Seconds since the last heartbeat, by the clock of the file system; negative for a file from the future."""
    content: dict[str, Any]

    @property
    def alive(self) -> bool:
        """Whether somebody still works on it: its process is not known to be gone, and it beat a moment ago."""
        # A time in the future is no heartbeat either: the file was copied, or a clock was wrong when it was made.
        limit = STALE_SECONDS if self._whole else 0.0 if self.content else WRITING_SECONDS
        return abs(self.age) < limit and not self.orphaned

    @property
    def _whole(self) -> bool:
        """Whether it says what every claim says: what was written otherwise is nobody's."""
        numbers = [self.content.get(key, 0) for key in ("done", "total", "first", "beat")]
        return all(isinstance(each, (int, float)) for each in (self.content.get("started"), *numbers))

    @property
    def orphaned(self) -> bool:
        """Whether its holder ran on this machine and is gone."""
        owner = Owner.of_token(str(self.content.get("owner", "")))
        return owner is not None and owner.dead is True

    @property
    def progress(self) -> tuple[int, int]:
        """(updates done, updates in all); zeros before the first."""
        return int(self._number("done")), int(self._number("total"))

    @property
    def seconds(self) -> float:
        """Since its holder started."""
        beat = self._number("beat") if "beat" in self.content else time.time() - self.age
        return max(0.0, beat - self._number("started")) + max(0.0, self.age)

    @property
    def remaining(self) -> float | None:
        """Forecast of the seconds until it is done, from the pace so far; None before there is one."""
        (done, total), first = self.progress, int(self._number("first"))
        if done <= first:
            return None
        pace = (self.seconds - self.age) / (done - first)
        return max(0.0, pace * (total - done) - self.age)

    @property
    def holder(self) -> str:
        """Who holds it, for people."""
        job, pid, host = (shown(self.content.get(key, "")) for key in ("job", "pid", "host"))
        who = f"Slurm's task {job}" if job else f"process {pid}" if pid else "another process"
        return f"{who} on {host}" if host else who

    def _number(self, key: str) -> float:
        value = self.content.get(key)
        sound = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST
        return float(value) if sound and value is not None else 0.0


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
            "owner": Owner.here().token,
            "job": slurm_job(),
            "token": self._token,
            "started": time.time(),
        }
        self._progress: tuple[int, int] = (0, 0)
        self.held_by = ""
        """Who holds it, after ``acquire`` failed."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> bool:
        """Take the claim; False when somebody alive holds it, see ``held_by``.

        Raises:
            UnwritableError: the folder of claims cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            state = read_claim(self.path)
            if state is not None and state.alive:
                self.held_by = f"{state.holder}, last heard of {max(0.0, state.age):.0f} s ago"
                return False
            # Take over by rename: of several takers the last one stands, and it finds its own token.
            self._write()
            time.sleep(0.05)
            current = read_claim(self.path)
            if current is None or current.content.get("token") != self._token:
                self.held_by = current.holder if current is not None else "another process"
                return False
        except OSError as error:
            raise explained(error, self.path) from error
        else:
            with os.fdopen(handle, "w") as file:
                json.dump({**self._content, "beat": time.time()}, file)
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
        content = {**self._content, "done": done, "total": total, "beat": time.time()}
        temporary = temporary_beside(self.path)
        try:
            temporary.write_text(json.dumps(content))
            temporary.replace(self.path)
        except OSError:
            # A heartbeat that cannot be written (full disk, folder gone) must not kill the work it reports;
            # the claim goes stale, and at worst the work is done twice.
            with contextlib.suppress(OSError):
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


def read_claim(path: Path, now: float | None = None) -> ClaimState | None:
    """The claim at ``path``, or None when there is none.

    Args:
        path: of the claim's file.
        now: the file system's time, when the caller reads many; asked for otherwise.
    """
    try:
        stamped = path.stat().st_mtime
    except OSError:
        return None
    age = (clock_of(path.parent) if now is None else now) - stamped
    try:
        content = read_object(path)
    except UserError:
        # Created a moment ago and not yet written, or damaged: as old as it is, it says nothing.
        content = {}
    return ClaimState(path.stem, age, content)
