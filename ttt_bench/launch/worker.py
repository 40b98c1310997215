"""Doing one piece of work. Runs in a worker process or in the main one; loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from ttt_bench.adaptation.execution import float32_products
from ttt_bench.cell.run import run_cell
from ttt_bench.domains.contract import Domain
from ttt_bench.machine import reuse_freed_memory
from ttt_bench.method import registry
from ttt_bench.method.contract import Method
from ttt_bench.plan.artifacts import domain_of
from ttt_bench.plan.plan import DataNeed
from ttt_bench.plan.work import Context, Work
from ttt_bench.samples.loading import SampleSet
from ttt_bench.source import branches, training
from ttt_bench.source.spec import BranchSpec
from ttt_bench.store.folder import SweepFolder

Notify = Callable[[int, int, str], None]
"""Called with (done, total, text)."""


def do(work: Work, context: Context, notify: Notify) -> None:
    """Do ``work`` and leave its product on disk.

    Raises:
        UserError: bad input; anything else is a fault of the code or the machine.
    """
    reuse_freed_memory()
    with float32_products("fp32"):
        _do(work, context, notify)


def _do(work: Work, context: Context, notify: Notify) -> None:
    if context.threads:
        torch.set_num_threads(context.threads)
    assert work.data is not None
    samples = open_samples(work.data, context)
    if work.kind == "data":
        samples.build(progress=lambda done, total: notify(done, total, "images"))
    elif work.kind == "train":
        assert work.source is not None
        joint = work.source.joint
        method = registry.create(joint[0], joint[1], context.extra_methods) if joint else None
        held_out = open_samples(validation_data(work.data, samples.domain), context)
        training.train(work.source, samples, context.cache, method, context.device, notify, held_out)
    elif work.kind == "fit":
        pending = [(spec, _method(spec, context)) for spec in work.branches]
        branches.fit(pending, samples, context.cache, context.device, notify)
    else:
        assert work.cell is not None
        folder = SweepFolder(context.folder)
        earlier = folder.failure(work.id)
        trajectory = run_cell(
            work.cell,
            samples,
            context.cache,
            context.extra_methods,
            context.device,
            on_step=lambda done, total: notify(done, total, "updates"),
            partial=folder.partial_path(work.id),
            attempt=earlier.attempt + 1 if earlier else 1,
        )
        folder.save(trajectory)


def _method(spec: BranchSpec, context: Context) -> Method:
    return registry.create(spec.method, spec.options, context.extra_methods)


VALIDATION_SAMPLES = 128


def validation_data(need: DataNeed, domain: Domain) -> DataNeed:
    """Held-out images of the source domain whose training images ``need`` names."""
    return replace(need, split="val", count=min(VALIDATION_SAMPLES, domain.length("val")))


def open_samples(need: DataNeed, context: Context) -> SampleSet:
    """The samples of ``need``, opened once per process."""
    return _open(need, domain_of(need, context), context.cache if context.keep_decoded else None)


@lru_cache(maxsize=8)
def _open(need: DataNeed, domain: Domain, cache: Path | None) -> SampleSet:
    return SampleSet(domain, need.split, need.count, need.classes, cache, tasks=need.tasks, scaling=need.scaling)
