"""The measurements of the two assumption checks: which there are, which are stored, doing the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ttt_bench.cell.spec import Cell
from ttt_bench.errors import UserError
from ttt_bench.files import read_json, write_json
from ttt_bench.identity import identity
from ttt_bench.method import registry
from ttt_bench.plan.artifacts import domain_of
from ttt_bench.plan.plan import DataNeed, Plan
from ttt_bench.plan.work import Context
from ttt_bench.provenance import provenance
from ttt_bench.studies.catalogue import Study
from ttt_bench.studies.page import FOLDER

SCHEMA = 2
"""Raised when the same settings begin to give other numbers, or are stored otherwise."""

Notify = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Probe:
    """One measurement on the models behind a cell."""

    id: str
    study: str
    label: str
    cell: Cell
    iterations: int | None = None
    """Of the fine-tuning on target labels; None: a share of the source training's."""

    def path(self, folder: Path) -> Path:
        """Where its raw numbers lie below a sweep's folder."""
        return folder / FOLDER / "raw" / f"{self.id}.json"


def probes_of(study: Study, plan: Plan, iterations: int | None = None) -> list[Probe]:
    """Every measurement of ``study`` for the cells of ``plan``, once each."""
    found: dict[str, Probe] = {}
    for cell in plan.cells:
        if cell.method in registry.CONTROLS:
            continue
        what = {"kind": study.name, "schema": SCHEMA}
        if study.name == "affinity":
            id = identity({**what, "cell": cell.id, "iterations": iterations})
            label = f"affinity of {cell.label}"
        else:
            # Neither target nor protocol matters: one measurement per trained branch.
            id = identity({**what, "branch": cell.branch.id, "options": cell.options})
            label = f"TBS under masks: {cell.method} on {cell.source.label}"
        found.setdefault(id, Probe(id, study.name, label, cell, iterations))
    return list(found.values())


def stored(probes: Sequence[Probe], folder: Path) -> list[dict[str, Any]]:
    """The raw numbers of every measurement that is there, in the order of ``probes``."""
    paths = [(probe.id, probe.path(folder)) for probe in probes]
    return [{"id": id, **read_json(path)} for id, path in paths if path.exists()]


def run_probe(probe: Probe, plan: Plan, context: Context, notify: Notify) -> None:
    """Do one measurement and store its raw numbers.

    Raises:
        UserError: the method lacks what is measured, the target has no training images, or fine-tuning diverges.
    """
    # Torch, which a finished study never needs.
    from ttt_bench.adaptation.execution import float32_products

    with float32_products(probe.cell.precision):
        found = _measured(probe, plan, context, notify)
    write_json(probe.path(context.folder), {**found, "provenance": provenance(device=context.device)})


def _measured(probe: Probe, plan: Plan, context: Context, notify: Notify) -> dict[str, Any]:
    from ttt_bench.launch.worker import open_samples, validation_data
    from ttt_bench.measurements.affinity import measure_affinity
    from ttt_bench.measurements.finetune import FineTuning, scaled
    from ttt_bench.measurements.tbs_mask import measure_tbs

    cell, extra, device = probe.cell, context.extra_methods, context.device
    if probe.study == "affinity":
        target = plan.target_data(cell)
        training = _training_images(target, cell, context)
        settings = scaled(cell.source.training, probe.iterations, training.count)
        tuning = FineTuning(cell.branch, cell.target_fingerprint, settings)
        return measure_affinity(
            cell, open_samples(target, context), open_samples(replace(training, count=settings.samples), context),
            tuning, context.cache, extra, device, notify,
        )  # fmt: skip
    source = plan.source_data(cell.source)
    held_out = validation_data(source, domain_of(source, context))
    if held_out.count < 1:
        raise UserError(f"{source.domain} has no validation images.", "This study needs a source that has.")
    return measure_tbs(cell.branch, cell.options, open_samples(held_out, context), context.cache, extra, device, notify)


def _training_images(target: DataNeed, cell: Cell, context: Context) -> DataNeed:
    available = domain_of(target, context).length("train")
    if available < 1:
        raise UserError(
            f"{cell.target} has no training images to fine-tune on.", "Choose a target with a training split."
        )
    return replace(target, split="train", count=available)
