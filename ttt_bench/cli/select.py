"""The ``select`` command: trials, and what each strategy would have chosen from them."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from ttt_bench.cli.cluster import say_later, show_arrays, submit_works
from ttt_bench.cli.console import console, show_table, warn, wide
from ttt_bench.cli.options.request import Request
from ttt_bench.cli.planning import left_out_lines, show_plan
from ttt_bench.cli.sweep import in_rounds, remember, say
from ttt_bench.errors import UserError
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.release import delta_metrics
from ttt_bench.plan.work import lay_out
from ttt_bench.provenance import command
from ttt_bench.report.runs import chosen_metrics
from ttt_bench.selection.ledger import Ledger
from ttt_bench.selection.rounds import Compared, compared
from ttt_bench.selection.strategies.catalogue import AnyStrategy, parse_strategies
from ttt_bench.store.folder import SweepFolder

if TYPE_CHECKING:
    from ttt_bench.launch.slurm.profile import Profile

WIDTH = 160


class Selection:
    """One ``select`` as asked for; looks at its trials anew each time."""

    def __init__(self, request: Request, strategies: str) -> None:
        if request.config.recipes != ("native",):
            raise UserError(
                f"--recipes {','.join(request.config.recipes)}: select starts from the published settings.",
                "Leave --recipes out.",
            )
        self.request = request
        self.strategies: tuple[AnyStrategy, ...] = parse_strategies(strategies)
        self._published = make_plan(request.config, request.roots, request.extra_methods)
        metrics = chosen_metrics(delta_metrics(request.config.released))
        self._ledger = Ledger(SweepFolder(request.folder), metrics)

    def look(self) -> Compared:
        """Every strategy's answers from what is finished now."""
        found = compared(self._published, self._ledger.refresh(), self.request.roots, self.strategies)
        if not found.answers:
            raise UserError(
                "There is nothing to choose: no method asked for has a rate.", "Name one: --methods tent,s4t."
            )
        return found

    def plan(self) -> Plan:
        """The trials known now."""
        return self.look().plan


def run_select(
    request: Request, strategies: str, jobs: int, device: str, retry: bool, figures: bool, profile: Profile | None
) -> None:
    """Do the trials that are missing, here or on a cluster; then say what each strategy chooses."""
    start = time.monotonic()
    selection = Selection(request, strategies)
    plan, folder = selection.plan(), SweepFolder(request.folder)
    for line in left_out_lines(plan):
        console.print(line)
    if profile is not None:
        before = partial(remember, request, plan, folder)
        submit_works(request, lay_out(plan), profile, "failed" if retry else "", before)
        say_later(plan)
        _report(selection, figures)
        return
    result, _ = in_rounds(request, plan, selection.plan, jobs, device, retry)
    say(result, folder, time.monotonic() - start)
    _report(selection, figures)
    if result.failed or result.blocked:
        sys.exit(1)


def show_selection(request: Request, strategies: str, profile: Profile | None) -> None:
    """Print what ``run_select`` would do and cost, or submit."""
    plan = Selection(request, strategies).plan()
    show_plan(request, plan, cost=profile is None)
    if profile is not None:
        show_arrays(request, plan, profile)


def _report(selection: Selection, figures: bool) -> None:
    from ttt_bench.selection.writing import write_selection

    found = selection.look()
    with console.status("Making tables and figures"):
        written = write_selection(found, selection.request.folder, command(), figures)
    warn(found.ledger.warnings)
    screen = wide(WIDTH)
    for table in written.tables:
        show_table(table, screen, notes=1)
    if written.sentence:
        screen.print(Text(written.sentence, style="bold"))
    for path in written.paths:
        console.print(f"written: {path}")
    if not written.paths:
        console.print("No choice can be made yet: trials are missing.")
