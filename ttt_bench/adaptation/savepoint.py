"""A run's progress on disk, so that a run that was stopped goes on from its last saved step.

What goes on is bit for bit what would have been: parameters, buffers, optimiser state, random state and everything
recorded so far are saved together, between two updates. Only tensors that moved are written, which for methods that
update normalisation layers is a few kilobytes.
"""

from __future__ import annotations

import time
from pathlib import Path

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.recording import Recorder
from ttt_bench.sealed import DamagedError, load_sealed, save_sealed

SAVE_EVERY_SECONDS = 30.0
BUSY_SHARE = 0.05
"""Saving takes at most about this share of the time, however slow the file system is."""
SCHEMA = 1


class Savepoint:
    """Saves a run at most every ``SAVE_EVERY_SECONDS`` and finds what an earlier start of the same run saved."""

    def __init__(self, path: Path, identity: str) -> None:
        """Nothing is read or written yet.

        Args:
            path: the file; one writer at a time is expected, more do no harm.
            identity: everything that decides the result, the version of the code included; a save under another
                identity is left unused.
        """
        self.path = path
        self.identity = identity
        self.resumed_at: tuple[int, int] | None = None
        """(batch, updates done on it) at which this start went on; None for a start from the beginning."""
        self._saved = time.monotonic()
        self._busy = 0.0

    def load(self, adapter: Adapter, recorder: Recorder) -> tuple[int, int]:
        """Put ``adapter`` and ``recorder`` where the last save left them.

        Returns:
            (batch, updates done on it), (0, 0) when nothing usable was saved under this identity.
        """
        if not self.path.exists():
            return 0, 0
        try:
            content = load_sealed(self.path)
        except DamagedError:
            return 0, 0  # set aside and said: the run starts from its beginning
        if content.get("identity") != self.identity or content.get("schema") != SCHEMA:
            return 0, 0  # other code or other versions: what they computed must not be mixed into this run
        adapter.resume(content["adapter"])
        recorder.restore(content["recorder"])
        self.resumed_at = (int(content["batch"]), int(content["step"]))
        return self.resumed_at

    def offer(self, adapter: Adapter, recorder: Recorder, batch: int, step: int) -> None:
        """Save, if the last save is long enough ago, that ``step`` updates are done on batch ``batch``."""
        start = time.monotonic()
        if start - self._saved < max(SAVE_EVERY_SECONDS, self._busy / BUSY_SHARE):
            return
        content = {
            "schema": SCHEMA,
            "identity": self.identity,
            "batch": batch,
            "step": step,
            "adapter": adapter.state(),
            "recorder": recorder.state(),
        }
        save_sealed(self.path, content)
        self._saved = time.monotonic()
        self._busy = self._saved - start

    def remove(self) -> None:
        """The run is over: forget its progress."""
        self.path.unlink(missing_ok=True)
