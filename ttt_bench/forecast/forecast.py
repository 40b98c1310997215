"""How long work will take: from what cells of the same kind took, else from a stated default. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from ttt_bench.cell.spec import Cell
from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.method import registry
from ttt_bench.method.info import MethodInfo
from ttt_bench.plan.work import Adapt, Decode, Fit, Measure, Train, Work
from ttt_bench.source.spec import SourceSpec
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import read_seconds

SAMPLES = 3
"""Finished cells looked at per kind; their medians agree well enough for a forecast."""
EVALUATION_SHARE = 0.5
"""Cost of scoring a batch once, as a share of an update, where nothing was measured."""
SECONDS_PER_IMAGE = 0.02

Setting = tuple[str, str]
"""(method, network with size and batch size)."""


@dataclass(frozen=True)
class Forecast:
    """Seconds that work will take."""

    default: float
    """Seconds per update where nothing was measured."""
    static: frozenset[str] = frozenset()
    """Methods that never update."""
    measured: dict[Setting, tuple[float, float]] = field(default_factory=dict)
    """(seconds per update, seconds per evaluation of a batch)."""
    training: float = 0.0
    """Seconds per iteration of a source training or a fit where nothing else is known; 0: as ``default``."""
    trainings: dict[str, float] = field(default_factory=dict)
    """The same, timed for single source models, by identity."""
    origin: str = "the profile's seconds_per_update"
    """Where ``default`` comes from."""
    known: Mapping[str, MethodInfo] = field(default_factory=dict)

    def __call__(self, work: Work) -> float:
        """Forecast of ``work`` in seconds."""
        match work:
            case Decode():
                return SECONDS_PER_IMAGE * work.data.count
            case Train():
                return self._iteration(work.source) * work.source.training.iterations / work.source.processes
            case Fit():
                return self._iteration(work.source) * self._fit_iterations(work)
            case Adapt():
                return self._cell(work.cell)
            case Measure():
                # The method and ``bn`` are run over the target, a model may be fine-tuned.
                return 2 * self._cell(work.cell) + self._iteration(work.cell.source) * work.iterations
            case _:
                return 0.0

    def _iteration(self, source: SourceSpec) -> float:
        return self.trainings.get(source.id, self.training or self.default)

    def _fit_iterations(self, work: Fit) -> int:
        """Branches that were trained with the network are not fitted again; statistics are forwards only."""
        infos = [(branch, self.known.get(branch.method)) for branch in work.branches]
        training = work.source.training
        usual = training.fit_iterations
        fitted = [
            usual if info is None else info.fit_iterations(training.iterations, usual, branch.options)
            for branch, info in infos
            if info is None or info.branch == "after" or (info.branch == "joint" and branch.source.joint is None)
        ]
        scanned = any(info is not None and info.statistics for _, info in infos)
        forwards = math.ceil(EVALUATION_SHARE * training.statistics_batches) if scanned else 0
        return max(fitted, default=0) + forwards

    def _cell(self, cell: Cell) -> float:
        batches = cell.batches
        update, evaluation = self._pace(cell)
        if cell.method in self.static:
            return batches * evaluation
        adapted = 1 if cell.protocol == "single" else batches
        return adapted * cell.steps * update + batches * len(cell.eval_steps) * evaluation

    def _pace(self, cell: Cell) -> tuple[float, float]:
        key = setting(cell)
        if key in self.measured:
            return self.measured[key]
        alike = [pace for (method, rest), pace in self.measured.items() if rest == key[1] and method not in self.static]
        if alike:
            return median(update for update, _ in alike), median(evaluation for _, evaluation in alike)
        return self.default, self.default * EVALUATION_SHARE

    @property
    def basis(self) -> str:
        """Where the numbers come from, in words."""
        stated = f"{self.default:.3g} s per update ({self.origin})"
        if self.training:
            stated = f"{self.training:.3g} s per source iteration and {stated}"
        if self.trainings:
            return f"two timed steps of each training and method; {self.origin}"
        if not self.measured:
            return f"{stated}; nothing is measured yet"
        return f"finished cells of {len(self.measured)} kinds; {stated} for trainings and kinds not measured"


def setting(cell: Cell) -> Setting:
    """What the pace of a cell depends on."""
    return cell.method, canonical([cell.source.network, cell.source.size, cell.batch_size])


def make_forecast(
    cells: Iterable[Cell],
    extra_methods: tuple[Path, ...],
    folder: SweepFolder,
    default: float,
    training: float = 0.0,
    origin: str = Forecast.origin,
) -> Forecast:
    """Measure the kinds of cells of which ``folder`` holds finished ones."""
    known = registry.discover(extra_methods)
    static = frozenset(name for name, info in known.items() if not info.adapts)
    paces: dict[Setting, list[tuple[float, float]]] = {}
    for cell in _finished(cells, folder):
        found = paces.setdefault(setting(cell), [])
        if len(found) < SAMPLES:
            try:
                update, evaluation = read_seconds(folder.cell_path(cell.id))
            except UserError:
                continue  # damaged: status and report name it, a forecast needs only some of many
            found.append((_middle(update), _middle(evaluation)))
    measured = {key: (median(u for u, _ in f), median(e for _, e in f)) for key, f in paces.items() if f}
    return Forecast(default, static, measured, training, origin=origin, known=known)


def _finished(cells: Iterable[Cell], folder: SweepFolder) -> list[Cell]:
    done = folder.done()
    return [cell for cell in cells if cell.id in done]


def _middle(seconds: np.ndarray) -> float:
    """Median of what was measured; a collapsed run leaves NaN behind."""
    known = seconds[np.isfinite(seconds)]
    return float(np.median(known)) if known.size else 0.0
