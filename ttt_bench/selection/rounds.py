"""Rounds: the grid is tried, then what lies around its best, then the choice is run. What is known follows from
what is finished, so the same command, run again, goes on; nothing else is kept but the choices themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttt_bench.cell.spec import TUNED, Cell
from ttt_bench.errors import UserError
from ttt_bench.files import read_object, write_json
from ttt_bench.identity import identity
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.release import delta_metrics
from ttt_bench.report.runs import chosen_metrics
from ttt_bench.selection.apart import require_apart
from ttt_bench.selection.candidates import GRID, PUBLISHED, Candidate, refinements
from ttt_bench.selection.choice import Choice, Tried, best_of, best_with_step, last
from ttt_bench.selection.ledger import Ledger, evidence_for
from ttt_bench.selection.places import CLEAN
from ttt_bench.selection.question import BASE, BN, Question, among, by_place, questions_of
from ttt_bench.selection.strategies.contract import Strategy
from ttt_bench.selection.strategies.without_target_labels import SourceShift
from ttt_bench.store.folder import SweepFolder

SCHEMA = 1
"""Of kept choices; raised when the same trials lead to another choice."""


@dataclass(frozen=True)
class Answer:
    """What is known of one strategy's choice for one question."""

    choice: Choice | None
    """None as long as trials are missing, and where the strategy has nothing to look at."""
    trials: tuple[Cell, ...]
    """Known now, finished or not, controls included."""
    later: tuple[Cell, ...] = ()
    """As many as will follow, with settings that stand in."""


def answer(question: Question, strategy: Strategy[Any], ledger: Ledger, budget: int, bn: bool = False) -> Answer:
    """How far the choice of ``strategy`` is.

    Args:
        question: what is to be chosen.
        strategy: who chooses.
        ledger: what is finished.
        budget: trials.
        bn: whether ``bn`` is run beside the trials, for Delta over it.
    """
    if strategy.tried == "nowhere":
        return Answer(Choice(strategy.name, PUBLISHED), ())
    where = question.places(strategy.tried)
    controls = tuple(q.control(place, name) for q, place in where for name in ((BASE, BN) if bn else (BASE,)))

    def trials(candidates: Sequence[Candidate]) -> tuple[Cell, ...]:
        return tuple(q.trial(place, candidate) for q, place in where for candidate in candidates)

    known = (*controls, *trials(GRID))
    if not all(map(ledger.has, known)):
        return Answer(None, known, trials(refinements(PUBLISHED, budget, question.info)))
    curves = strategy.scores(evidence_for(strategy, question, ledger))
    if not curves:
        return Answer(None, known)
    finer = refinements(best_of(last(curves, GRID)), budget, question.info)
    known += trials(finer)
    if not all(map(ledger.has, known)):
        return Answer(None, known)
    path = sorted(curves) if strategy.oracle else sorted((*GRID, *finer))
    scores = last(curves, path)
    tried = tuple(
        Tried(candidate, score, any(ledger.collapsed(cell) for cell in trials([candidate])))
        for candidate, score in scores.items()
    )
    domains = tuple(place.domain for _, place in where)
    return Answer(Choice(strategy.name, best_of(scores), tried, domains, best_with_step(curves, path)), known)


def tuned(plan: Plan, folder: Path, roots: Mapping[str, Path], cache: Path | None = None) -> Plan:
    """``plan`` with the trials of its cells of the recipe ``tuned`` in their place, and these cells once chosen.

    Args:
        plan: with published settings in those cells.
        folder: of the sweep, whose finished trials decide.
        roots: folders of data sets.
        cache: of decoded images; given, choices are made for good: held-out images are seen not to have been trained
            on, and the choice is written down, so that the next look need not read the trials.

    Raises:
        UserError: a rate is given that is to be chosen, or there is nothing honest to choose on.
    """
    questions = questions_of(plan, TUNED, roots)
    replaced = {question.cell.id for question in questions}
    ledger = Ledger(SweepFolder(folder), chosen_metrics(delta_metrics(plan.config.released))).refresh()
    strategy = SourceShift()
    cells: list[Cell] = []
    later: list[Cell] = []
    for question in questions:
        kept = Kept.of(question, strategy, ledger, plan.config.budget)
        choice = kept.read()
        found = Answer(choice, ()) if choice else answer(question, strategy, ledger, plan.config.budget)
        cells += kept.trials(choice) if choice else found.trials
        if found.choice is None:
            later += [*found.later, question.cell]
            continue
        if cache is not None and not choice:
            require_apart(question.cell.source, question.held_out[CLEAN].samples, roots, cache)
            kept.write(found.choice)
        cells.append(with_choice(question, found.choice))
    ordinary = [cell for cell in plan.cells if cell.id not in replaced]
    return replace(plan, cells=tuple(by_place([*ordinary, *cells])), later=_once(later, cells))


def with_choice(question: Question, choice: Choice) -> Cell:
    """The final cell."""
    settings = choice.candidate.settings(question.info)
    return replace(
        question.cell,
        options={**question.cell.options, **settings},
        changed=tuple(dict.fromkeys((*question.cell.changed, *settings))),
        choice=choice.described(question.info),
    )


def _once(later: Sequence[Cell], known: Sequence[Cell]) -> tuple[Cell, ...]:
    there = {cell.id for cell in known}
    return tuple({cell.id: cell for cell in later if cell.id not in there}.values())


@dataclass(frozen=True)
class Kept:
    """Where one choice is written down: by everything that decides it."""

    path: Path
    question: Question
    strategy: Strategy[Any]

    @classmethod
    def of(cls, question: Question, strategy: Strategy[Any], ledger: Ledger, budget: int) -> Kept:
        """The place of a choice."""
        where = question.places(strategy.tried)
        cells = [q.control(place, BASE).id for q, place in where]
        cells += [q.trial(place, candidate).id for q, place in where for candidate in GRID]
        metrics = [metric.id for metric in ledger.metrics.values()]
        key = identity([SCHEMA, strategy.name, budget, metrics, cells, question.info.card.tunable])
        return cls(ledger.folder.path / "choices" / f"{key}.json", question, strategy)

    def read(self) -> Choice | None:
        """The choice; None where there is none, or something else: it is made again from the trials."""
        try:
            return Choice.read(read_object(self.path)) if self.path.exists() else None
        except (UserError, KeyError, TypeError, ValueError):
            return None

    def write(self, choice: Choice) -> None:
        """Keep ``choice``."""
        write_json(self.path, choice.described(self.question.info))

    def trials(self, choice: Choice) -> list[Cell]:
        """The trials behind ``choice``, which stay part of the plan."""
        where = self.question.places(self.strategy.tried)
        controls = [q.control(place, BASE) for q, place in where]
        return controls + [q.trial(place, t.candidate) for q, place in where for t in choice.tried]


# --- several strategies at once: ``select`` ------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """Every strategy's answer to every question."""

    plan: Plan
    """All trials known now, and stand-ins for those to come."""
    answers: tuple[tuple[Question, Mapping[str, Answer]], ...]
    strategies: tuple[Strategy[Any], ...]
    ledger: Ledger


def compared(plan: Plan, ledger: Ledger, roots: Mapping[str, Path], strategies: Sequence[Strategy[Any]]) -> Compared:
    """What every strategy chooses for every cell of ``plan``, as far as trials are finished.

    Args:
        plan: of the recipe ``native``.
        ledger: what is finished.
        roots: folders of data sets.
        strategies: who chooses.
    """
    questions = among(questions_of(plan, "native", roots))
    budget = plan.config.budget
    answers: list[tuple[Question, Mapping[str, Answer]]] = []
    cells: list[Cell] = []
    later: list[Cell] = []
    for question in questions:
        found = {each.name: answer(question, each, ledger, budget, bn=True) for each in strategies}
        answers.append((question, found))
        cells += [question.control(question.target, name) for name in (BASE, BN)]
        for each in found.values():
            cells += each.trials
            later += each.later
            if each.choice is not None:
                chosen = (each.choice.candidate, each.choice.stepwise[0])
                cells += [question.trial(question.target, candidate) for candidate in chosen]
    whole = replace(plan, cells=tuple(by_place(cells)), later=_once(later, cells))
    return Compared(whole, tuple(answers), tuple(strategies), ledger)
