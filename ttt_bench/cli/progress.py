"""Progress of a sweep: bars on a terminal, one line per piece of work elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ttt_bench.cli.console import PlainConsole
from ttt_bench.launch.local import Event
from ttt_bench.names import shown
from ttt_bench.plan.work import Adapt, Work

SPEAK_SECONDS = 30.0


class Saying:
    """What a long command is at: one line that changes on a terminal, elsewhere a line now and then."""

    def __init__(self, console: PlainConsole) -> None:
        self._console = console
        self._line = console.status("")
        self._spoken = time.monotonic()

    def __enter__(self) -> Saying:
        self._line.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._line.__exit__(*error)

    def __call__(self, text: str) -> None:
        """It is at ``text`` now."""
        self._line.update(text)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken >= SPEAK_SECONDS:
            self._spoken = now
            self._console.print(f"  {text}", style="dim")


class SweepProgress:
    """A listener for ``launch.local.execute``; use as a context manager."""

    def __init__(self, console: PlainConsole, total: int) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._overall = self._bars.add_task("sweep", total=total, text="")
        self._current: dict[str, TaskID] = {}
        self._total = total
        self._over = 0
        self._spoken: dict[str, float] = {}
        self._waited: dict[str, float] = {}

    def __call__(self, event: Event, work: Work, done: int, total: int, text: str) -> None:
        """Take note of an event."""
        if event == "started":
            self._current[work.id] = self._bars.add_task(_short(shown(work.label)), total=None, text="")
        elif event == "progress" and work.id in self._current:
            self._bars.update(self._current[work.id], completed=done, total=total, text=text)
            self._speak(work, done, total, text)
        elif event == "retrying":
            self._drop(work)
            self._console.print(f"{work.label}: {text}", style="yellow")
        elif event == "waiting":
            self._say_waiting(work, text)
        elif event in ("done", "failed", "skipped"):
            self._end(event, work, text)

    def _speak(self, work: Work, done: int, total: int, text: str) -> None:
        """Where there is no terminal, a line now and then shows that long work is alive."""
        now = time.monotonic()
        if self._console.is_terminal or now - self._spoken.setdefault(work.id, now) < SPEAK_SECONDS:
            return
        self._spoken[work.id] = now
        self._console.print(f"  {work.label}: {done}/{total} {text}", style="dim")

    def _say_waiting(self, work: Work, text: str) -> None:
        """Say at once, and then now and again, what is waited for; silence would look like a hang."""
        now = time.monotonic()
        if now - self._waited.get(work.id, -SPEAK_SECONDS) >= SPEAK_SECONDS:
            self._waited[work.id] = now
            self._console.print(f"waiting for {work.label}: {text}", style="dim")

    def _end(self, event: Event, work: Work, text: str) -> None:
        self._over += 1
        seconds = self._drop(work)
        self._bars.update(self._overall, completed=min(self._over, self._total))
        if event == "failed":
            self._console.print(f"failed: {work.label}: {text}", style="red")
        elif event == "done" and (not isinstance(work, Adapt) or not self._console.is_terminal):
            self._console.print(f"{work.label} ({seconds:.1f} s)", style="dim")

    def _drop(self, work: Work) -> float:
        """Remove the bar of ``work``; how many seconds it was there."""
        bar = self._current.pop(work.id, None)
        if bar is None:
            return 0.0
        seconds = self._bars.tasks[self._bars.task_ids.index(bar)].elapsed or 0.0
        self._bars.remove_task(bar)
        return seconds

    def __enter__(self) -> SweepProgress:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, error, trace)


def _short(label: str) -> str:
    return label if len(label) <= 60 else label[:57] + "..."
