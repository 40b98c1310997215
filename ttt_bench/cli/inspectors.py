"""Commands that check the project's own code against references."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path


def run_parity_command(folders: list[Path], failures_only: bool) -> None:
    """Run all cases below ``folders``; one line per case, the counts last; exit 1 when one failed."""
    from ttt_bench.parity.runner import Outcome, run_parity

    def show(outcome: Outcome) -> None:
        if outcome.status == "failed" or not failures_only:
            print(f"{outcome.status:8} {outcome.case}  {outcome.detail}", flush=True)

    counts = Counter(outcome.status for outcome in run_parity(folders, show))
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    if counts["failed"]:
        sys.exit(1)
