"""What a newcomer needs in the end: what was found, in words, and what to try next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.names import pieces
from ttt_bench.provenance import without_folders
from ttt_bench.report.commands import last_sweep, with_options
from ttt_bench.report.result import Report
from ttt_bench.report.runs import BASE, BN
from ttt_bench.store.folder import SweepFolder

FEW_SEEDS = 3
"""With fewer, nothing is said of how many are needed."""
MOST_SEEDS = 50
"""Beyond, the difference is too small for this sweep; more seeds are no advice."""


@dataclass(frozen=True)
class Ending:
    """Two sentences, each one line."""

    verdict: str
    next: str
    """A command, and what it is for."""


def ending(report: Report) -> Ending:
    """What the report comes to."""
    said = report.verdict or next((g.uncertainty.verdict for g in report.groups if g.uncertainty.verdict), "")
    return Ending(said or "none: nothing was compared.", _next(report))


def _next(report: Report) -> str:
    for folder in report.sources:
        failed = len(SweepFolder(folder).failed())
        if failed:
            words = ["python", "-m", "ttt_bench", "status", folder.name]
            if folder.parent != Path("results"):
                words += ["--out", without_folders(str(folder.parent))]
            return f"{shlex.join(words)}   # {pieces(failed)} failed"
    sweep = last_sweep(report.sources[-1])
    methods = {row.method for group in report.groups for row in group.rows}
    seeds = max((len(row.runs) for group in report.groups for row in group.rows), default=0)
    if not methods - {BASE, BN}:
        return f"{with_options(sweep, {'--methods': 'all'})}   # methods to compare with bn"
    if seeds < FEW_SEEDS:
        return f"{with_options(sweep, {'--seeds': str(FEW_SEEDS)})}   # what holds for more than one seed"
    needed = _seeds_needed(report)
    if seeds < needed <= MOST_SEEDS:
        return f"{with_options(sweep, {'--seeds': str(needed)})}   # to tell the undecided methods from bn"
    protocols = {group.block.protocol for group in report.groups}
    if protocols == {"online"}:
        return f"{with_options(sweep, {'--protocols': 'online,episodic'})}   # does it need a stream?"
    return "python -m ttt_bench study   # the studies of the paper, on the same models"


def _seeds_needed(report: Report) -> int:
    """The most that a method which could not be told from ``bn`` needs."""
    rows = [row for group in report.groups for row in group.uncertainty.rows.values()]
    return max((row.seeds_needed or 0 for row in rows if row.p_holm >= 0.05), default=0)
