"""Doing one piece of work. Runs in a worker process or in the main one; loads torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from ttt_bench import registry
from ttt_bench.cell.run import run_cell
from ttt_bench.domains.base import Domain
from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.loading import SampleSet
from ttt_bench.launch.work import Context, Work
from ttt_bench.method import Method
from ttt_bench.plan.plan import DataNeed
from ttt_bench.source import branches, checkpoints, training
from ttt_bench.source.spec import BranchSpec
from ttt_bench.store.claims import Claim
from ttt_bench.store.folder import SweepFolder

Notify = Callable[[int, int, str], None]
"""Called with (done, total, text)."""


def is_done(work: Work, context: Context) -> bool:
    """Whether the product of ``work`` is on disk."""
    if work.kind == "cell":
        return SweepFolder(context.folder).cell_path(work.id).exists()
    if work.kind == "train":
        return checkpoints.checkpoint_path(context.cache, work.id).exists()
    if work.kind == "fit":
        return all(checkpoints.checkpoint_path(context.cache, b.id).exists() for b in work.branches)
    assert work.data is not None
    return open_samples(work.data, context).cached


def claim_for(work: Work, context: Context) -> Claim:
    """The claim that keeps two processes from doing ``work`` at the same time."""
    if work.kind == "cell":
        return SweepFolder(context.folder).claim(work.id, work.label)
    return Claim(context.cache / "claims" / f"{work.id}.json", work.label)


def do(work: Work, context: Context, notify: Notify) -> None:
    """Do ``work`` and leave its product on disk.

    Raises:
        UserError: bad input; anything else is a fault of the code or the machine.
    """
    if context.threads:
        torch.set_num_threads(context.threads)
    assert work.data is not None
    samples = open_samples(work.data, context)
    if work.kind == "data":
        samples.build(progress=lambda done, total: notify(done, total, "images"))
    elif work.kind == "train":
        assert work.source is not None
        joint = work.source.joint
        method = registry.create(*joint, extra=context.extra_methods) if joint else None
        held_out = open_samples(validation_data(work.data, samples.domain), context)
        training.train(work.source, samples, context.cache, method, context.device, notify, held_out)
    elif work.kind == "fit":
        pending = [(spec, _method(spec, context)) for spec in work.branches]
        branches.fit(pending, samples, context.cache, context.device, notify)
    else:
        assert work.cell is not None
        trajectory = run_cell(
            work.cell,
            samples,
            context.cache,
            context.extra_methods,
            context.device,
            on_step=lambda done, total: notify(done, total, "updates"),
        )
        SweepFolder(context.folder).save(trajectory)


def _method(spec: BranchSpec, context: Context) -> Method:
    return registry.create(spec.method, spec.options, context.extra_methods)


VALIDATION_SAMPLES = 128


def validation_data(need: DataNeed, domain: Domain) -> DataNeed:
    """Held-out images of the source domain whose training images ``need`` names."""
    return replace(need, split="val", count=min(VALIDATION_SAMPLES, domain.length("val")))


def open_samples(need: DataNeed, context: Context) -> SampleSet:
    """The decoded samples of ``need``, opened once per process."""
    return _open(need, context.cache, tuple(sorted(context.roots.items())))


@lru_cache(maxsize=8)
def _open(need: DataNeed, cache: Path, roots: tuple[tuple[str, Path], ...]) -> SampleSet:
    domain = open_domain(need.domain, need.size, dict(roots))
    return SampleSet(domain, need.split, need.count, need.classes, cache, tasks=need.tasks)
