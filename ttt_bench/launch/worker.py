"""Doing one piece of work. Runs in a worker process or in the main one; loads torch."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from ttt_bench.adaptation.execution import float32_products
from ttt_bench.cell.run import run_cell
from ttt_bench.launch.training import Notify, held_out, train_source
from ttt_bench.machine import return_freed_memory, reuse_freed_memory
from ttt_bench.measurements.catalogue import MEASUREMENTS
from ttt_bench.method import registry
from ttt_bench.plan.plan import source_data, target_data
from ttt_bench.plan.work import Adapt, Context, Decode, Fit, Measure, Train, Work
from ttt_bench.process_state import computing_threads, unchanged_process
from ttt_bench.provenance import provenance
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.need import DataNeed
from ttt_bench.samples.opening import open_samples, open_target
from ttt_bench.sealed import save_sealed_json
from ttt_bench.source import branches
from ttt_bench.store.folder import SweepFolder


def do(work: Work, context: Context, notify: Notify) -> None:
    """Do ``work`` and leave its product on disk.

    Raises:
        UserError: bad input; anything else is a fault of the code or the machine.
    """
    reuse_freed_memory()
    try:
        with computing_threads(context.threads), unchanged_process(work.label), float32_products("fp32"):
            _DOES[type(work)](work, context, notify)
    finally:
        return_freed_memory()


def _decode(work: Decode, context: Context, notify: Notify) -> None:
    _samples(work.data, context).build(progress=lambda done, total: notify(done, total, "images"))


def _train(work: Train, context: Context, notify: Notify) -> None:
    train_source(work.source, context, notify)


def _fit(work: Fit, context: Context, notify: Notify) -> None:
    pending = [(spec, registry.create(spec.method, spec.options, context.extra_methods)) for spec in work.branches]
    branches.fit(pending, _samples(source_data(work.source), context), context.cache, context.device, notify)


def _adapt(work: Adapt, context: Context, notify: Notify) -> None:
    folder = SweepFolder(context.folder)
    earlier = folder.failure(work.id)
    trajectory = run_cell(
        work.cell,
        open_target(target_data(work.cell), context.roots, context.decoded),
        context.cache,
        context.extra_methods,
        context.device,
        on_step=lambda done, total: notify(done, total, "updates"),
        partial=folder.partial_path(work.id),
        attempt=earlier.attempt + 1 if earlier else 1,
        held_out=held_out(work.cell.source, context) if work.cell.shows_forgetting else None,
    )
    folder.save(trajectory)


def _measure(work: Measure, context: Context, notify: Notify) -> None:
    module = import_module(MEASUREMENTS[work.what].module)
    with float32_products(work.cell.precision):
        found = module.measure(work, context, notify)
    path = SweepFolder(context.folder).measurement_path(work.id)
    save_sealed_json(path, {**found, "provenance": provenance(device=context.device)})


_DOES: dict[type[Work], Callable[..., None]] = {
    Decode: _decode, Train: _train, Fit: _fit, Adapt: _adapt, Measure: _measure,
}  # fmt: skip


def _samples(need: DataNeed, context: Context) -> SampleSet:
    return open_samples(need, context.roots, context.decoded)
