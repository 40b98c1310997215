"""Printing how far a sweep is."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.cli.console import console, warn
from ttt_bench.launch.status import Row, State, look
from ttt_bench.store.folder import SweepFolder

MOST_LINES = 20
"""Lines per state without --verbose; a sweep of thousands must not bury its own counts."""
ORDER: tuple[State, ...] = ("done", "collapsed", "damaged", "running", "queued", "stale", "failed", "lost", "missing")
TELLING = ("collapsed", "damaged", "running", "stale", "failed", "lost")


def show_status(path: Path, verbose: bool) -> None:
    """Print the state of every cell that any sweep into ``path`` asked for."""
    overview = look(SweepFolder(path))
    counts = overview.counts
    console.print(
        f"{path}: {len(overview.cells)} cells: " + ", ".join(f"{counts[s]} {s}" for s in ORDER if counts[s]),
    )
    warn(overview.warnings)
    for row in overview.others:
        _print(row)
    for state in ORDER:
        rows = [row for row in overview.cells if row.state == state]
        shown = rows if verbose else rows[:MOST_LINES] if state in TELLING else []
        for row in shown:
            _print(row)
        if state in TELLING and len(shown) < len(rows):
            console.print(f"{state:9} ... and {len(rows) - len(shown)} more; -v lists all")
    if counts["queued"] and not overview.answered:
        console.print("Slurm does not answer from here, so queued cells may also be lost ones.")
    if counts["failed"] or overview.others:
        console.print(f"Tracebacks are in {path / 'failures'}; redo them with --retry failed.")
    stillborn = sum(row.stillborn for row in overview.cells)
    if stillborn:
        console.print(
            f"{stillborn} cells were lost because their tasks ended before any work began. First mend what Slurm and "
            "the logs say above; unmended, the same sweep command ends in the same way.",
        )
    if counts["lost"] + counts["stale"] > stillborn:
        console.print("The same sweep command again takes up what is lost or stale.")


def _print(row: Row) -> None:
    line = f"{row.state:9} {row.id}  {row.label}  {row.detail}".rstrip()
    console.print(line)
    if row.log is not None and row.state in ("running", "stale", "failed", "lost"):
        console.print(f"          log: {row.log}", style="dim")
