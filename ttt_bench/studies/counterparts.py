"""The cells that take a gain over ``base`` apart: trials of the rate, and every cell beside them that differs in one
thing from another. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ttt_bench.cell.spec import Cell
from ttt_bench.domains.catalogue import family_of
from ttt_bench.errors import UserError
from ttt_bench.plan.plan import Plan, make_plan
from ttt_bench.plan.release import TASKONOMY, Accidents, delta_metrics
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.report.runs import chosen_metrics
from ttt_bench.selection.ledger import Ledger
from ttt_bench.selection.question import BASE, BN, Question, by_place
from ttt_bench.selection.rounds import Compared, compared
from ttt_bench.selection.strategies.catalogue import STRATEGIES
from ttt_bench.source.spec import BranchSpec
from ttt_bench.store.folder import SweepFolder
from ttt_bench.studies.headline import ACCIDENT
from ttt_bench.studies.parts import Request

PUBLISHED, TUNED, ORACLE = "published", "source-shift", "oracle"
"""The strategies whose choices are told apart."""


@dataclass(frozen=True)
class Beside:
    """What one question needs beside its trials."""

    accident: Mapping[str, Cell]
    """``base``, ``bn`` and the method at its published setting, pixels scaled as in the release."""
    own_bn: Cell
    """``bn`` on the network that the method adapts: in joint training not the controls'."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them."""
        return (*self.accident.values(), self.own_bn)


@dataclass(frozen=True)
class Look:
    """What is known now of a decomposition."""

    compared: Compared
    beside: Mapping[str, Beside]
    """By identity of the question's cell."""

    @property
    def plan(self) -> Plan:
        """Everything that is to be run, as far as it is known."""
        plan = self.compared.plan
        cells = [*plan.cells, *(cell for each in self.beside.values() for cell in each.cells)]
        return replace(plan, cells=tuple(by_place(cells)))


def look(config: SweepConfig, request: Request) -> Look:
    """The trials and counterparts of ``config``, by what is finished in the folder of ``request``.

    Raises:
        UserError: no method has a rate, or there is nothing honest to choose one on.
    """
    published = make_plan(config, request.roots, request.extra)
    ledger = Ledger(SweepFolder(request.folder), chosen_metrics(delta_metrics(config.released))).refresh()
    strategies = [STRATEGIES[name] for name in (PUBLISHED, TUNED, ORACLE)]
    found = compared(published, ledger, request.roots, strategies)
    if not found.answers:
        raise UserError("No method asked for has a rate that could be chosen.", "Name one: --methods tent,s4t.")
    return Look(found, {question.cell.id: _beside(question) for question, _ in found.answers})


def _beside(question: Question) -> Beside:
    cells = {BASE: question.controls[BASE], BN: question.controls[BN], question.cell.method: question.cell}
    control, source = question.control(question.target, BN), question.cell.source
    own = control if control.source.id == source.id else replace(control, branch=BranchSpec(source, BN, {}))
    return Beside({name: _under_accident(cell) for name, cell in cells.items()}, own)


def _under_accident(cell: Cell) -> Cell:
    """``cell`` with the pixels of its two sides scaled as the S4T release scales Taskonomy's and all others."""
    sides = family_of(cell.source.domain), family_of(cell.target)
    # It shows only where one side is Taskonomy, or stands in for it as rooms do; else the source has that part.
    told_apart = sides if sides.count(TASKONOMY) == 1 else (TASKONOMY, "")
    accident = Accidents((ACCIDENT,), *told_apart)
    scaled = replace(cell.source, scaling=accident.scaling(accident.source, cell.source.scaling))
    return replace(
        cell,
        branch=replace(cell.branch, source=scaled),
        scaling=accident.scaling(accident.target, cell.scaling),
    )
