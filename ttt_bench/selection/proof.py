"""Proof that strategies see no more than they declare: the same trials with other labels lead to the same choice.

Trials are made up in memory. What a strategy may not look at is replaced by noise; its choice must not move. What it
does look at is replaced too, which must move some choice: a proof that nothing could fail proves nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ttt_bench.cell.spec import Cell
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.contract import Split
from ttt_bench.domains.corruptions.tables import kinds_in
from ttt_bench.method.registry import parse_methods
from ttt_bench.metrics import signals
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.report.runs import Run, chosen_metrics
from ttt_bench.selection.apart import Image, shared_images
from ttt_bench.selection.candidates import GRID, Candidate
from ttt_bench.selection.choice import best_of, last
from ttt_bench.selection.ledger import Ledger, evidence_for
from ttt_bench.selection.places import HELD_OUT, PROXIES, proxies_of
from ttt_bench.selection.question import Question, among, questions_of
from ttt_bench.selection.strategies.catalogue import STRATEGIES, AnyStrategy
from ttt_bench.store.folder import SweepFolder
from ttt_bench.tasks.geometry import DEPTH, NORMALS

PAIRS = ("rooms/studio->rooms/fog", "rooms/studio->rooms/dusk", "rooms/studio->rooms/studio+contrast:3")
DRAWS = 3
"""Poisonings of each kind; by chance a choice may stay."""
BATCHES, STEPS = 12, 3
IMAGES = 48


@dataclass(frozen=True)
class Proof:
    """One thing that was to be shown of a strategy."""

    strategy: str
    what: str
    problem: str = ""
    """Why it does not hold; empty where it does."""


@dataclass
class MadeUp(Ledger):
    """Trials with random results, drawn anew for those whose labels are poisoned."""

    poisoned: Mapping[str, int] = field(default_factory=dict)
    """Target -> draw of its labels; ``val`` stands for the source's held-out ones."""

    def run(self, cell: Cell) -> Run | None:
        """A run whose scores follow its labels' draw, and whose signals follow its images alone."""
        draw = self.poisoned.get(HELD_OUT if cell.split == HELD_OUT else cell.target, 0)
        of_labels = np.random.default_rng([draw, zlib.crc32(cell.id.encode())])
        of_images = np.random.default_rng([zlib.crc32(cell.id.encode())])
        metrics = [metric for metric in self.metrics.values() if metric.task in (DEPTH, NORMALS)]
        values = {metric.id: of_labels.uniform(1.0, 2.0, STEPS) for metric in metrics}
        n = np.ones((BATCHES, 2))
        moments = np.stack([n, n, n, *(of_labels.uniform(1, 2, (BATCHES, 2)) for _ in range(3))], -1)
        angles = np.stack([n, of_labels.uniform(1, 2, (BATCHES, 2)), n, n, n], -1)
        sums = {m.id: moments if m.task == DEPTH else angles for m in metrics}
        names = (signals.ENTROPY, signals.DENSITY, signals.ANGLES, f"{signals.CONSISTENCY}{DEPTH}")
        return Run(
            path=Path(cell.id), cell_id=cell.id, cell={"pair": cell.pair, "method": cell.method, "batch_size": 8},
            provenance={}, summary={}, steps=np.arange(STEPS, dtype=float), values=values, notes=(),
            stream={m.id: np.ones((BATCHES, 2)) for m in metrics}, window={}, window_ends=np.empty(0),
            segments={}, sums=sums,
            signals={k: np.stack([of_images.uniform(1, 2, STEPS), np.ones(STEPS)], -1)[None] for k in names},
            loss=np.empty(0), seconds=0.0, eval_seconds=0.0, forwards=0.0, backwards=0.0,
            spent=np.zeros(STEPS),
        )  # fmt: skip


def prove(folder: Path, strategies: Mapping[str, AnyStrategy] = STRATEGIES) -> list[Proof]:
    """Everything that ``audit`` shows of strategies and proxies.

    Args:
        folder: any; nothing is read from it.
        strategies: by name.
    """
    config = SweepConfig(PAIRS, tuple(parse_methods("tent")))
    questions = among(questions_of(make_plan(config), "native", {}))
    ledger = MadeUp(SweepFolder(folder), chosen_metrics(None))
    found = []
    for name, strategy in strategies.items():
        if strategy.tried != "nowhere":
            found += [Proof(name, what, problem) for what, problem in _of(strategy, questions, ledger).items()]
    return [*found, *_of_proxies(questions)]


def _of(strategy: AnyStrategy, questions: list[Question], ledger: MadeUp) -> dict[str, str]:
    own: Callable[[Question], list[str]] = lambda q: [q.cell.target]  # noqa: E731
    others: Callable[[Question], list[str]] = lambda q: [o.cell.target for o in q.others]  # noqa: E731
    source: Callable[[Question], list[str]] = lambda q: [HELD_OUT]  # noqa: E731
    may = {"target": own, "other targets": others, "source": source}
    said = {}
    for labels, poisons in may.items():
        moved = _moves(strategy, questions, ledger, poisons)
        if strategy.labels == labels:
            said[f"It looks at labels of {_called(labels)}, as it declares"] = (
                "" if moved else "other labels never change its choice, so this proof could not fail"
            )
        else:
            said[f"Labels of {_called(labels)} do not reach it"] = moved
    return said


def _called(labels: str) -> str:
    return {"target": "its target", "other targets": "other pairs", "source": "the source"}[labels]


def _moves(
    strategy: AnyStrategy, questions: list[Question], ledger: MadeUp, poisons: Callable[[Question], list[str]]
) -> str:
    """Where other labels changed the choice, in words; empty where they never did."""
    for question in questions:
        before = _chosen(strategy, question, replace(ledger, poisoned={}))
        for draw in range(1, DRAWS + 1):
            poisoned = replace(ledger, poisoned=dict.fromkeys(poisons(question), draw))
            if _chosen(strategy, question, poisoned) != before:
                return f"on {question.cell.pair} other labels changed its choice"
    return ""


def _chosen(strategy: AnyStrategy, question: Question, ledger: Ledger) -> tuple[Candidate, str]:
    curves = strategy.scores(evidence_for(strategy, question, ledger))
    # As text: a score that is not a number equals itself.
    return best_of(last(curves, GRID)), repr({c: [float(v) for v in values] for c, values in curves.items()})


def _of_proxies(questions: list[Question]) -> list[Proof]:
    alike = [q.cell.target for q in questions if set(map(_kind, q.proxies)) & kinds_in(q.cell.target)]
    alike += [p for p in PROXIES if _kind(p) in map(_kind, proxies_of(f"rooms/studio+{_kind(p)}:5"))]
    shared = [name for name in ("rooms/studio", "objects/studio") if _shared(name)]
    other = [p.domain for q in questions for p in q.held_out.values() if p.split != HELD_OUT]
    return [
        Proof("proxies", "No kind that the target is made of is among its proxies", ", ".join(alike)),
        Proof("proxies", "No held-out image is a training image, by fingerprint", ", ".join(shared)),
        Proof("proxies", "They are made of the held-out split alone", ", ".join(other)),
    ]


def _kind(proxy: str) -> str:
    return proxy.partition(":")[0]


def _shared(name: str) -> list[int]:
    domain = open_domain(name, (32, 32))

    def drawn(split: Split) -> Iterator[Image]:
        return (domain.sample(split, index).image for index in range(IMAGES))

    return shared_images(drawn("train"), drawn("val"))
