"""What each strategy's choice is worth on the target: rows of method x strategy, scored like any table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ttt_bench.cell.spec import Cell
from ttt_bench.method.options import settings_text
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.runs import Run
from ttt_bench.report.scoring import Scored, measure, score
from ttt_bench.report.uncertainty import DELTA, DELTA_BN, assess
from ttt_bench.selection.candidates import PUBLISHED, Candidate
from ttt_bench.selection.choice import Choice
from ttt_bench.selection.ledger import Ledger, first_images
from ttt_bench.selection.places import Place
from ttt_bench.selection.question import BASE, BN, Question
from ttt_bench.selection.rounds import Compared
from ttt_bench.selection.strategies.contract import Strategy
from ttt_bench.selection.strategies.with_target_labels import FewLabels
from ttt_bench.statistics.resampling import Interval

ORACLE = "oracle"


@dataclass(frozen=True)
class Pick:
    """One strategy's choices for one method on one pair, over the seeds."""

    pair: str
    """With protocol and training where there are several."""
    method: str
    strategy: str
    choices: tuple[tuple[Question, Choice], ...]
    """One per seed."""
    row: Row
    over_bn: Interval | None
    regret: float
    """Delta of the oracle's choice minus this one's on the same images, in points; NaN without a survivor."""
    stepwise: float
    """Delta over ``bn`` when the step is chosen too, mean over the seeds."""

    @property
    def value(self) -> float:
        """Delta over ``bn`` at the last step, mean over the seeds."""
        return self.row.mean(DELTA_BN)

    @property
    def collapsed(self) -> int:
        """Of the chosen runs, how many collapsed on the target."""
        return len(self.row.collapsed_steps)


@dataclass(frozen=True)
class Panel:
    """All choices on one pair."""

    title: str
    methods: tuple[str, ...]
    picks: Mapping[tuple[str, str], Pick]
    """(method, strategy) -> pick; a strategy that could not choose is missing."""
    questions: tuple[Question, ...]


def panels(found: Compared) -> list[Panel]:
    """Every pair's picks, as far as trials are finished."""
    by_pair: dict[str, list[tuple[Question, Mapping[str, Any]]]] = {}
    cells = [question.cell for question, _ in found.answers]
    for question, answers in found.answers:
        by_pair.setdefault(_title(question.cell, cells), []).append((question, answers))
    return [_panel(title, members, found) for title, members in by_pair.items()]


def _title(cell: Cell, cells: Sequence[Cell]) -> str:
    said = [cell.pair]
    said += [cell.protocol] if len({c.protocol for c in cells}) > 1 else []
    said += [f"{cell.training} training"] if len({c.training for c in cells}) > 1 else []
    return ", ".join(said)


def _panel(title: str, members: list[tuple[Question, Mapping[str, Any]]], found: Compared) -> Panel:
    methods = tuple(dict.fromkeys(question.method for question, _ in members))
    picks: dict[tuple[str, str], Pick] = {}
    for few in {0, *(s.images for s in found.strategies if isinstance(s, FewLabels))}:
        strategies = [s for s in found.strategies if (s.images if isinstance(s, FewLabels) else 0) == few]
        oracle = [s for s in found.strategies if s.oracle] if few else []
        made = _picked(title, members, [*strategies, *oracle], found.ledger, few)
        kept = {s.name for s in strategies}
        picks |= {key: pick for key, pick in made.items() if key[1] in kept}
    return Panel(title, methods, picks, tuple(question for question, _ in members))


def _picked(
    title: str,
    members: list[tuple[Question, Mapping[str, Any]]],
    strategies: Sequence[Strategy[Any]],
    ledger: Ledger,
    cut: int,
) -> dict[tuple[str, str], Pick]:
    """The picks of some strategies, scored on the target without its first ``cut`` images."""
    chosen: dict[tuple[str, str], list[tuple[Question, Choice, Scored]]] = {}
    controls: dict[str, Scored] = {}
    for question, answers in members:
        for strategy in strategies:
            choice = answers[strategy.name].choice
            scored = None if choice is None else scored_at(question, choice.candidate, ledger, cut)
            if choice is None or scored is None:
                continue
            chosen.setdefault((question.method, strategy.name), []).append((question, choice, scored))
            bn = control_at(question, BN, ledger, cut)
            if bn is not None:
                controls[bn.run.cell_id] = bn
    seeds = {method: sum(question.method == method for question, _ in members) for method, _ in chosen}
    whole = {key: found for key, found in chosen.items() if len(found) == seeds[key[0]]}
    # One row per set of runs: strategies often agree, and a bootstrap says the same of the same runs.
    rows: dict[tuple[str, ...], Row] = {}
    for (method, name), found in whole.items():
        runs = tuple(scored for _, _, scored in found)
        rows.setdefault(_ids(runs), Row(f"{method} by {name}", method, runs))
    bn_row = [Row(BN, BN, tuple(controls.values()))] if controls else []
    group = _group(title, [*bn_row, *rows.values()])
    known = assess(group).rows if group is not None else {}
    oracle = {method: rows[_ids(found)] for (method, name), found in _runs(whole).items() if name == ORACLE}
    picks = {}
    for (method, name), found in whole.items():
        row = rows[_ids([scored for _, _, scored in found])]
        certain = known.get(row.label)
        best = oracle.get(method)
        regret = math.nan if best is None else _end(best) - _end(row)
        stepped = [stepwise(question, choice, ledger) for question, choice, _ in found] if not cut else [math.nan]
        picks[method, name] = Pick(
            title, method, name, tuple((q, c) for q, c, _ in found), row,
            certain.over_bn if certain else None, regret, float(np.mean(stepped)),
        )  # fmt: skip
    return picks


def _runs(
    whole: Mapping[tuple[str, str], Sequence[tuple[Question, Choice, Scored]]],
) -> dict[tuple[str, str], list[Scored]]:
    return {key: [scored for _, _, scored in found] for key, found in whole.items()}


def _ids(runs: Sequence[Scored]) -> tuple[str, ...]:
    return tuple(scored.run.cell_id for scored in runs)


def _end(row: Row) -> float:
    """Delta at the last step, collapsed runs included: a regret is not made small by leaving the worst out."""
    values = [scored.measures.get(DELTA, math.nan) for scored in row.runs]
    return float(np.mean(values))


def _group(title: str, rows: Sequence[Row]) -> Group | None:
    scored = [item for row in rows for item in row.runs]
    if not scored:
        return None
    metrics = scored[0].metrics
    return Group(scored[0].run.block, title, metrics, 0, tuple(rows), ())


def scored_at(question: Question, candidate: Candidate, ledger: Ledger, cut: int = 0) -> Scored | None:
    """A candidate on the target, beside its controls; None where it is not finished."""
    return _scored(question, ledger.run(question.trial(question.target, candidate)), ledger, cut, question.target)


def control_at(question: Question, name: str, ledger: Ledger, cut: int = 0) -> Scored | None:
    """A control on the target."""
    return _scored(question, ledger.run(question.control(question.target, name)), ledger, cut, question.target)


def _scored(question: Question, run: Run | None, ledger: Ledger, cut: int, place: Place) -> Scored | None:
    base, bn = (ledger.run(question.control(place, name)) for name in (BASE, BN))
    if cut:
        run, base, bn = (each and first_images(each, cut, rest=True) for each in (run, base, bn))
    if run is None or base is None:
        return None
    shared = tuple(metric for metric in ledger.metrics.values() if metric.id in base.values)
    found, control = score(run, base, shared, 0), None if bn is None else score(bn, base, shared, 0)
    found.measures.update(measure(found, control))
    return found


def over_bn(question: Question, place: Place, candidate: Candidate, ledger: Ledger) -> float:
    """Delta over ``bn`` at the last step of one trial; NaN where it is not finished or diverged."""
    scored = _scored(question, ledger.run(question.trial(place, candidate)), ledger, 0, place)
    return math.nan if scored is None else scored.measures.get(DELTA_BN, math.nan)


def stepwise(question: Question, choice: Choice, ledger: Ledger) -> float:
    """Delta over ``bn`` at the settings and the step that a strategy chooses together; ``bn`` at that step too."""
    candidate, column = choice.stepwise if choice.tried else (PUBLISHED, -1)
    scored = scored_at(question, candidate, ledger)
    bn = control_at(question, BN, ledger)
    if scored is None or bn is None:
        return math.nan
    return float(scored.delta[column] - bn.delta[column])


def tried_rows(found: Compared) -> list[dict[str, Any]]:
    """Every trial on every set of images: see ``frames.TRIAL_COLUMNS``."""
    rows: dict[str, dict[str, Any]] = {}
    for question, _ in found.answers:
        spots = {place.name: (question, place) for place in (*question.held_out.values(), question.target)}
        for name, (asked, place) in spots.items():
            for candidate in question.possible():
                cell = asked.trial(place, candidate)
                scored = _scored(question, found.ledger.run(cell), found.ledger, 0, place)
                if scored is None:
                    continue
                rows[cell.id] = {
                    "cell_id": cell.id, **_named(question, place.domain), "images": name,
                    "settings": _text(candidate, question), "multiple": candidate.multiple,
                    "delta": scored.measures.get(DELTA, math.nan), "delta_bn": scored.measures.get(DELTA_BN, math.nan),
                    "collapsed": scored.collapsed_step is not None, "collapsed_step": scored.collapsed_step,
                }  # fmt: skip
    return list(rows.values())


def chosen_rows(all_panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """Every choice of every strategy: see ``frames.CHOICE_COLUMNS``."""
    from ttt_bench.identity import canonical

    rows = []
    for panel in all_panels:
        for (_, strategy), pick in panel.picks.items():
            for (question, choice), scored in zip(pick.choices, pick.row.runs, strict=True):
                rows.append({
                    **_named(question, question.cell.target), "strategy": strategy,
                    "settings": _text(choice.candidate, question), "multiple": choice.candidate.multiple,
                    "at_edge": choice.at_edge, "delta": scored.measures.get(DELTA, math.nan),
                    "delta_bn": scored.measures.get(DELTA_BN, math.nan), "regret": pick.regret,
                    "delta_bn_low": pick.over_bn.low if pick.over_bn else math.nan,
                    "delta_bn_high": pick.over_bn.high if pick.over_bn else math.nan,
                    "delta_bn_stepwise": pick.stepwise,
                    "collapsed": scored.collapsed_step is not None, "cell_id": scored.run.cell_id,
                    "tried_on": " ".join(choice.where), "trail": canonical([t.described() for t in choice.tried]),
                })  # fmt: skip
    return rows


def _named(question: Question, images: str) -> dict[str, Any]:
    cell = question.cell
    return {
        "pair": f"{cell.source.domain}->{images}", "method": question.method, "protocol": cell.protocol,
        "training": cell.training, "seed": cell.seed,
    }  # fmt: skip


def _text(candidate: Candidate, question: Question) -> str:
    return settings_text(candidate.settings(question.info), ", ")
