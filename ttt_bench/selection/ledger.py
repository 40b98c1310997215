"""What trials measured, as the evidence of each strategy: the one place that reads results for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np

from ttt_bench.cell.spec import Cell
from ttt_bench.errors import UserError
from ttt_bench.metrics import signals
from ttt_bench.report.loading import left_out, read_run
from ttt_bench.report.runs import Run
from ttt_bench.report.scoring import score
from ttt_bench.selection.candidates import Candidate
from ttt_bench.selection.evidence import (
    AllTargetLabels,
    CleanSource,
    CorruptedSource,
    Curve,
    Evidence,
    Nothing,
    OtherTargets,
    SomeTargetLabels,
    TargetImages,
)
from ttt_bench.selection.places import CLEAN, Place
from ttt_bench.selection.question import BASE, Question
from ttt_bench.selection.strategies.contract import Strategy
from ttt_bench.selection.strategies.with_target_labels import FewLabels
from ttt_bench.store.folder import SweepFolder
from ttt_bench.tasks import Metric, metric_by_id

E = TypeVar("E", bound=Evidence)


@dataclass
class Ledger:
    """The finished trials of a folder, read when they are asked for and kept."""

    folder: SweepFolder
    metrics: Mapping[str, Metric]
    """Task -> its metric in Delta."""
    warnings: list[str] = field(default_factory=list)
    _done: set[str] = field(default_factory=set)
    _runs: dict[str, Run | None] = field(default_factory=dict)

    def refresh(self) -> Ledger:
        """Look again at what is finished."""
        self._done = self.folder.done()
        return self

    def has(self, cell: Cell) -> bool:
        """Whether ``cell`` is finished and can be read."""
        return cell.id in self._done and (cell.id not in self._runs or self._runs[cell.id] is not None)

    def run(self, cell: Cell) -> Run | None:
        """What ``cell`` measured; None where it is not finished or cannot be read, which is said in ``warnings``."""
        if cell.id not in self._done:
            return None
        if cell.id not in self._runs:
            try:
                self._runs[cell.id] = read_run(self.folder.cell_path(cell.id))
            except UserError as error:
                self.warnings.append(left_out(error, self.folder.path))
                self._runs[cell.id] = None
        return self._runs[cell.id]

    def collapsed(self, cell: Cell) -> bool:
        """Whether the run itself noticed a collapse, for which it needs no label."""
        run = self.run(cell)
        return run is not None and run.collapsed_step is not None


def evidence_for(strategy: Strategy[E], question: Question, ledger: Ledger) -> E:
    """The one kind of evidence that ``strategy`` declares, and nothing else."""
    found = _SHOWN[strategy.sees](strategy, question, ledger)
    assert type(found) is strategy.sees
    return cast(E, found)


def delta(run: Run, base: Run, metrics: Mapping[str, Metric]) -> Curve:
    """(steps,) Delta of ``run`` over ``base``, NaN where undefined."""
    shared = tuple(metric for metric in metrics.values() if metric.id in base.values)
    return score(run, base, shared, 0).delta


def first_images(run: Run, images: int, rest: bool = False) -> Run | None:
    """``run`` as if the target were its first ``images`` alone, or all others, at the first and the last step.

    Images come in whole batches. None where nothing would be left, or sums of batches cannot be scored.
    """
    groups = min((len(sums) for sums in run.sums.values()), default=0)
    batches = max((len(each) for each in run.stream.values()), default=0)
    size = int(run.cell.get("batch_size") or 1)
    # Of a long run, groups of consecutive batches stand for batches.
    cut = math.ceil(math.ceil(images / size) * groups / max(batches, 1))
    if not 0 < cut < groups:
        return None
    part = slice(cut, None) if rest else slice(0, cut)
    sums = {id: values[part] for id, values in run.sums.items()}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        values = {id: metric_by_id(id).compute(each) for id, each in sums.items()}
    ends = run.steps[[0, -1]]
    return replace(run, steps=ends, values=values, sums=sums, stream={id: v[part] for id, v in run.stream.items()})


# --- one builder per kind of evidence ----------------------------------------------------------------


def _on(question: Question, place: Place, ledger: Ledger, cut: int = 0) -> dict[Candidate, Curve]:
    """Delta of every finished candidate on some images; ``cut``: on the first so many alone, at the last step."""
    base = ledger.run(question.control(place, BASE))
    found: dict[Candidate, Curve] = {}
    for candidate in question.possible() if base is not None else ():
        run = ledger.run(question.trial(place, candidate))
        if run is None or base is None:
            continue
        if not cut:
            found[candidate] = delta(run, base, ledger.metrics)
            continue
        some, against = first_images(run, cut), first_images(base, cut)
        if some is not None and against is not None:
            found[candidate] = delta(some, against, ledger.metrics)[-1:]
    return found


def _several(pairs: list[tuple[Question, Place]], ledger: Ledger) -> dict[Candidate, list[Curve]]:
    """Delta on several sets of images, of the candidates that are finished on all of them."""
    each = [_on(question, place, ledger) for question, place in pairs]
    return {c: [curves[c] for curves in each] for c in each[0] if all(c in curves for curves in each)} if each else {}


def _nothing(strategy: object, question: Question, ledger: Ledger) -> Nothing:
    return Nothing()


def _corrupted(strategy: object, question: Question, ledger: Ledger) -> CorruptedSource:
    return CorruptedSource(_several(question.places("proxies"), ledger))


def _clean(strategy: object, question: Question, ledger: Ledger) -> CleanSource:
    return CleanSource(_on(question, question.held_out[CLEAN], ledger))


def _images(strategy: object, question: Question, ledger: Ledger) -> TargetImages:
    base = ledger.run(question.control(question.target, BASE))
    found: dict[str, dict[Candidate, Curve]] = {}
    for candidate in question.possible() if base is not None else ():
        run = ledger.run(question.trial(question.target, candidate))
        if run is None or base is None:
            continue
        for name in signals.SIGNALS:
            curve = signals.score(run.signals, base.signals, name)
            if curve is not None:
                found.setdefault(name, {})[candidate] = curve
    return TargetImages(found)


def _others(strategy: object, question: Question, ledger: Ledger) -> OtherTargets:
    return OtherTargets(_several(question.places("others"), ledger))


def _some(strategy: object, question: Question, ledger: Ledger) -> SomeTargetLabels:
    assert isinstance(strategy, FewLabels)
    return SomeTargetLabels(_on(question, question.target, ledger, strategy.images))


def _all(strategy: object, question: Question, ledger: Ledger) -> AllTargetLabels:
    return AllTargetLabels(_on(question, question.target, ledger))


_SHOWN: dict[Any, Callable[[Any, Question, Ledger], Evidence]] = {
    Nothing: _nothing, CorruptedSource: _corrupted, CleanSource: _clean, TargetImages: _images,
    OtherTargets: _others, SomeTargetLabels: _some, AllTargetLabels: _all,
}  # fmt: skip
