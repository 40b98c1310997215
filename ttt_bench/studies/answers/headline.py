"""Delta over ``base`` as a sum of parts with intervals, the tables of it, and what can be said."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ttt_bench.cell.spec import Cell
from ttt_bench.identity import identity
from ttt_bench.report.entries import MISSING, Entry, TextTable, interval_text, number
from ttt_bench.report.runs import BASE, BN, Run
from ttt_bench.report.scoring import Scored, score
from ttt_bench.report.uncertainty import resampled_delta
from ttt_bench.selection.ledger import Ledger
from ttt_bench.selection.question import Question
from ttt_bench.selection.rounds import Answer
from ttt_bench.statistics.comparison import ALPHA, holm
from ttt_bench.statistics.resampling import RESAMPLES, SEED, Interval, draw_weights, interval, resampled_mean
from ttt_bench.studies.counterparts import ORACLE, PUBLISHED, TUNED, Look
from ttt_bench.studies.page import Outcome

Array = npt.NDArray[np.float64]
Weights = Callable[[int], Array]

OWN_BN, SHIFTED, SHIFTED_BN = "own bn", "as released", "bn as released"
TERMS: dict[str, dict[str, int]] = {
    "statistics": {BN: 1},
    "undone scaling": {SHIFTED_BN: 1, BN: -1},
    "branch": {OWN_BN: 1, BN: -1},
    "loss, published": {PUBLISHED: 1, OWN_BN: -1},
    "interaction": {SHIFTED: 1, SHIFTED_BN: -1, PUBLISHED: -1, BN: 1},
    "tuned": {TUNED: 1, PUBLISHED: -1},
    "oracle†": {ORACLE: 1, TUNED: -1},
    "loss, tuned": {TUNED: 1, OWN_BN: -1},
    "loss, oracle†": {ORACLE: 1, OWN_BN: -1},
    "as released": {SHIFTED: 1},
}
"""Part -> Deltas with their signs."""
STACKED = ("statistics", "undone scaling", "branch", "loss, published", "interaction", "tuned", "oracle†")
"""What the figure puts on each other: up to the interaction they add up to Delta as released."""


@dataclass(frozen=True)
class Split:
    """One method's Delta in one table."""

    method: str
    parts: Mapping[str, Interval]
    collapsed: int
    """Runs at the published setting that collapsed."""
    runs: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """All methods on one pair under one protocol and training."""

    pair: str
    protocol: str
    training: str
    splits: tuple[Split, ...]

    @property
    def title(self) -> str:
        """For headings."""
        return f"{self.pair.replace('->', ' → ')}, {self.protocol}, {self.training} training"


@dataclass(frozen=True)
class Terms:
    """The Deltas of one seed: the value of each, and its resamples where there are any."""

    values: Mapping[str, float]
    draws: Mapping[str, Array | None]
    collapsed: bool
    cells: tuple[str, ...]


def decomposed(look: Look) -> list[Panel]:
    """Every table whose methods are finished; a method counts once all its seeds are."""
    panels: dict[tuple[str, str, str], dict[str, list[Terms | None]]] = defaultdict(lambda: defaultdict(list))
    for question, answers in look.compared.answers:
        cell = question.cell
        panels[cell.pair, cell.protocol, cell.training][question.method].append(_terms(question, answers, look))
    found = []
    for (pair, protocol, training), methods in panels.items():
        splits = [_split(name, [t for t in terms if t]) for name, terms in methods.items() if all(terms)]
        if splits:
            found.append(Panel(pair, protocol, training, tuple(splits)))
    return found


def _terms(question: Question, answers: Mapping[str, Answer], look: Look) -> Terms | None:
    """The Deltas of one question; None where one is missing."""
    ledger, beside = look.compared.ledger, look.beside[question.cell.id]
    target = question.target
    trials: dict[str, Cell] = {BN: question.control(target, BN), OWN_BN: beside.own_bn}
    for name in (PUBLISHED, TUNED, ORACLE):
        choice = answers[name].choice
        if choice is None:
            return None
        trials[name] = question.trial(target, choice.candidate)
    shifted = {SHIFTED_BN: beside.accident[BN], SHIFTED: beside.accident[question.cell.method]}
    matched = _scored(trials, question.control(target, BASE), ledger)
    released = _scored(shifted, beside.accident[BASE], ledger)
    if matched is None or released is None:
        return None
    scored, weights, bases = {**matched, **released}, _weights(question), dict[tuple[str, str, int], Array]()
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        draws = {name: resampled_delta(item, weights, bases) for name, item in scored.items()}
    return Terms(
        {name: float(item.delta[-1]) for name, item in scored.items()},
        draws,
        scored[PUBLISHED].collapsed_step is not None,
        tuple(dict.fromkeys(item.run.cell_id for item in scored.values())),
    )


def _scored(cells: Mapping[str, Cell], base: Cell, ledger: Ledger) -> dict[str, Scored] | None:
    against = ledger.run(base)
    runs: dict[str, Run | None] = {name: ledger.run(cell) for name, cell in cells.items()}
    if against is None or not all(runs.values()):
        return None
    shared = tuple(metric for metric in ledger.metrics.values() if metric.id in against.values)
    return {name: score(run, against, shared, 0) for name, run in runs.items() if run is not None}


def _weights(question: Question) -> Weights:
    """The same draws for everything that is measured on the same images in the same order."""
    made: dict[int, Array] = {}
    seed = int(identity([question.cell.target_fingerprint, question.cell.protocol, question.cell.seed]), 16)

    def of(groups: int) -> Array:
        if groups not in made:
            made[groups] = draw_weights(groups, RESAMPLES, np.random.default_rng([SEED, seed]))
        return made[groups]

    return of


def _split(method: str, seeds: Sequence[Terms]) -> Split:
    return Split(
        method,
        {name: _part(signs, seeds) for name, signs in TERMS.items()},
        sum(each.collapsed for each in seeds),
        len(seeds),
        tuple(cell for each in seeds for cell in each.cells),
    )


def _part(signs: Mapping[str, int], seeds: Sequence[Terms]) -> Interval:
    values = [sum(sign * each.values[name] for name, sign in signs.items()) for each in seeds]
    draws = [_sum(signs, each) for each in seeds]
    known = [each for each in draws if each is not None]
    estimate = float(np.mean(values))
    if len(known) < len(draws):
        return Interval(estimate, math.nan, math.nan, math.nan, len(values))
    return interval(estimate, resampled_mean(known, np.random.default_rng([SEED, 0])), len(values))


def _sum(signs: Mapping[str, int], seed: Terms) -> Array | None:
    parts = [(sign, seed.draws[name]) for name, sign in signs.items()]
    known = [sign * draws for sign, draws in parts if draws is not None]
    return np.asarray(np.sum(known, axis=0)) if len(known) == len(parts) else None


# --- tables and words ----------------------------------------------------------------------------------

SHOW = number(2, signed=True)
HEAD = ("statistics", "undone scaling", "branch", "loss, published", "interaction", "as released", "tuned", "oracle†")


def headline_outcome(panels: Sequence[Panel]) -> Outcome:
    """A table for each panel, everything in long form, and a paragraph."""
    tables = tuple(_table(panel) for panel in panels)
    return Outcome(tables, pd.DataFrame([row for panel in panels for row in _rows(panel)]), paragraph(panels))


def _table(panel: Panel) -> TextTable:
    shown = [name for name in HEAD if name != "branch" or panel.training == "joint"]
    rows = []
    for split in panel.splits:
        gone = f" ✗{split.collapsed}/{split.runs}" if split.collapsed else ""
        cells = [_entry(split.parts[name], name) for name in shown]
        rows.append((Entry(split.method + gone), Entry(str(split.runs)), *cells))
    runs = max(split.runs for split in panel.splits)
    notes = (
        "Points of Δ at the last step, [95 % interval]. as released = statistics + undone scaling + branch + loss + "
        "interaction; tuned and oracle† come on top, with pixels scaled alike. †: sees target labels.",
        *(("One seed: the intervals say how sure this is within this run, not over runs.",) if runs == 1 else ()),
        *(("✗: runs that collapsed at the published setting; they count in all numbers here.",)
          if any(split.collapsed for split in panel.splits) else ()),
    )  # fmt: skip
    return TextTable(panel.title, ("method", "n", *shown), tuple(rows), notes)


def _entry(known: Interval, name: str) -> Entry:
    if not math.isfinite(known.estimate):
        return Entry(MISSING)
    text = " ".join(part for part in (SHOW(known.estimate), interval_text(known)) if part)
    return Entry(text, "oracle" if "†" in name else "")


def _rows(panel: Panel) -> list[dict[str, object]]:
    fixed = {"pair": panel.pair, "protocol": panel.protocol, "training": panel.training}
    return [
        {**fixed, "method": split.method, "n": split.runs, "collapsed": split.collapsed, "part": name,
         "points": known.estimate, "low": known.low, "high": known.high, "p": known.p}
        for split in panel.splits for name, known in split.parts.items()
    ]  # fmt: skip


def paragraph(panels: Sequence[Panel]) -> str:
    """What the intervals allow one to say of each table, and no more."""
    said = [_said(panel) for panel in panels]
    if not said:
        return ""
    one = max(split.runs for panel in panels for split in panel.splits) == 1
    ending = "With one seed, all this holds within these runs. " if one else ""
    return " ".join([*said, f"{ending}It is said of these pairs, this network and these budgets, and of nothing else."])


def _said(panel: Panel) -> str:
    any_split = panel.splits[0]
    whole = [s.parts["as released"].estimate for s in panel.splits]
    known = [value for value in whole if math.isfinite(value)]
    reach = " to ".join(dict.fromkeys(SHOW(end(known)) for end in (min, max))) if known else ""
    head = f"{panel.title}: as released, Δ is {reach}" if reach else panel.title
    bn = ", ".join(f"{name} {_told(any_split.parts[name])}" for name in ("statistics", "undone scaling"))
    parts = [f"{head}; of that, without any loss, {bn}."]
    for name, words in (
        ("loss, published", "The test-time loss at the published rate"),
        ("loss, tuned", "At the rate chosen on corrupted held-out source"),
        ("loss, oracle†", "At the best rate by target labels"),
    ):
        parts.append(f"{words}: {_sides(panel, name)}.")
    return " ".join(parts)


def _told(known: Interval) -> str:
    return " ".join(part for part in (SHOW(known.estimate), interval_text(known)) if part)


def _sides(panel: Panel, name: str) -> str:
    """Which methods' loss adds, costs, or cannot be told from nothing (Holm over the methods of the table)."""
    found = {split.method: split.parts[name] for split in panel.splits}
    adjusted = holm({method: known.p for method, known in found.items()})
    sides: dict[str, list[str]] = {"adds": [], "costs": [], "cannot be told from no loss": []}
    for method, known in found.items():
        sure = math.isfinite(adjusted[method]) and adjusted[method] < ALPHA
        side = ("adds" if known.estimate > 0 else "costs") if sure else "cannot be told from no loss"
        sides[side].append(f"{method} {_told(known)}" if sure else method)
    return "; ".join(f"{side} {', '.join(names)}" if side != "cannot be told from no loss"
                     else f"{', '.join(names)} {side}" for side, names in sides.items() if names)  # fmt: skip
