"""What can be measured on the models behind a cell, and as which pieces of work. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ttt_bench.cell.spec import Cell
from ttt_bench.errors import UserError
from ttt_bench.identity import identity
from ttt_bench.method import registry
from ttt_bench.method.info import MethodInfo
from ttt_bench.plan.plan import Plan
from ttt_bench.plan.work import Adapt, Fit, Measure, Train, Work
from ttt_bench.report.loading import left_out
from ttt_bench.sealed import load_sealed_json
from ttt_bench.store.folder import SweepFolder

SCHEMA = 3
"""Raised when the same settings begin to give other numbers, or are stored otherwise."""
SHARE = 4
"""Fine-tuning takes 1/4 of the source training's iterations, unless told otherwise."""
SYNCHRONISER = "mask_ratio"
"""The option of methods that have what the checks of the S4T paper look at."""
ALIGNING = "align"
"""The source stage of methods that align an encoder of their own with the supervised one."""

Lack = tuple[str, str]
"""What a method does not have, and what to do then."""


def _no_synchroniser(cell: Cell, info: MethodInfo) -> Lack | None:
    # Seen from its options, before anything is trained.
    lack = "masked synchroniser", "Leave --methods out, or give s4t with options."
    return None if SYNCHRONISER in cell.options else lack


def _no_alignment(cell: Cell, info: MethodInfo) -> Lack | None:
    lack = "stage that aligns two encoders", "Leave --methods out, or give cta with options."
    return None if any(stage.name == ALIGNING for stage in info.source_stages[1:]) else lack


def _nothing(cell: Cell, info: MethodInfo) -> Lack | None:
    return None


@dataclass(frozen=True)
class Measurement:
    """One kind of measurement."""

    name: str
    module: str
    """Its ``measure(work, context, notify)`` gives the numbers that are stored."""
    of: Literal["cell", "branch"]
    """What it is one of: of a branch, neither target nor protocol matters."""
    label: str
    """In terms of ``cell``."""
    lacks: Callable[[Cell, MethodInfo], Lack | None] = _nothing
    """What a method would need and does not have."""
    controls: bool = False
    """Whether the controls are measured too."""
    tunes: bool = False
    """Whether a model is fine-tuned on target labels for it."""


MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "affinity", "ttt_bench.measurements.affinity", "cell", "affinity of {cell.label}", _no_synchroniser,
            tunes=True,
        ),
        Measurement(
            "tbs-mask", "ttt_bench.measurements.tbs_mask", "branch",
            "TBS under masks: {cell.method} on {cell.source.label}", _no_synchroniser,
        ),
        Measurement("gradients", "ttt_bench.measurements.gradients", "cell", "gradients of {cell.label}"),
        Measurement(
            "alignment", "ttt_bench.measurements.alignment", "branch",
            "encoders of {cell.method} on {cell.source.label}", _no_alignment,
        ),
        Measurement("cost", "ttt_bench.bench.stages", "cell", "cost of {cell.label}", controls=True),
    )
}  # fmt: skip


def measures_of(name: str, plan: Plan, works: Iterable[Work], iterations: int | None = None) -> list[Measure]:
    """Every measurement ``name`` for the cells of ``plan``, once each.

    Args:
        name: which.
        plan: whose cells; the controls are left out where the measurement says nothing of them.
        works: of that plan.
        iterations: of a fine-tuning; None: a quarter of the source training's.

    Raises:
        UserError: a method has nothing that can be measured.
    """
    kind, found = MEASUREMENTS[name], dict[str, Measure]()
    known = registry.discover(plan.extra_methods)
    for work in works:
        if not isinstance(work, Adapt) or (work.cell.method in registry.CONTROLS and not kind.controls):
            continue
        cell = work.cell
        lack = kind.lacks(cell, known[cell.method])
        if lack is not None:
            raise UserError(f"{cell.method} has no {lack[0]}, which this study measures.", lack[1])
        what: dict[str, Any] = {"kind": name, "schema": SCHEMA}
        steps = (iterations or max(1, cell.source.training.iterations // SHARE)) if kind.tunes else 0
        if kind.of == "cell":
            id, needs = identity({**what, "cell": cell.id, "iterations": steps}), work.needs
        else:
            id, needs = identity({**what, "branch": cell.branch.id, "options": cell.options}), _models(work, works)
        label = kind.label.format(cell=cell)
        found.setdefault(id, Measure(id, label, needs, cell=cell, what=name, iterations=steps))
    return list(found.values())


def _models(work: Adapt, works: Iterable[Work]) -> frozenset[str]:
    """What ``work`` needs without its target's images."""
    return work.needs & {other.id for other in works if isinstance(other, (Train, Fit))}


def stored(measures: Sequence[Measure], folder: Path, warnings: list[str]) -> list[dict[str, Any]]:
    """The numbers of every measurement that is there, in the order of ``measures``.

    Args:
        measures: of a study.
        folder: of its sweep.
        warnings: gets a line per measurement that is there but damaged, and is left out.
    """
    found = []
    for work in measures:
        path = SweepFolder(folder).measurement_path(work.id)
        if not path.exists():
            continue
        try:
            found.append({"id": work.id, **load_sealed_json(path)})
        except UserError as error:
            warnings.append(left_out(error, folder))
    return found
