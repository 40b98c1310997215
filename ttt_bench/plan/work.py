"""A plan as pieces of work with dependencies: decode, train, fit, adapt, measure. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

from ttt_bench import plugins
from ttt_bench.cell.spec import Cell
from ttt_bench.identity import identity
from ttt_bench.method import registry
from ttt_bench.method.info import MethodInfo
from ttt_bench.plan.plan import Plan, source_data, target_data
from ttt_bench.samples.need import DataNeed
from ttt_bench.source.spec import BranchSpec, SourceSpec

Stage = Literal["train", "fit", "adapt"]

TOGETHER = 4
"""Branches fitted in one piece of work at most: a further piece costs one more forward of each batch (a tenth of the
fits of nine methods), and lets another worker take part."""


@dataclass(frozen=True)
class Work:
    """One piece of work. What it does, where its product lies and what it costs is known by its class."""

    stage: ClassVar[Stage] = "train"
    """Of a schedule: a later stage may need what an earlier one makes."""
    goal: ClassVar[bool] = False
    """Whether it is asked for itself; other work is done only where a goal needs it."""
    nouns: ClassVar[tuple[str, str]] = ("piece of work", "pieces of work")
    """What one, and what several are called."""

    id: str
    label: str
    needs: frozenset[str] = frozenset()
    """Identities of the work that must be done before."""


@dataclass(frozen=True, kw_only=True)
class Decode(Work):
    """Bring the images of a domain's split into the cache."""

    nouns = ("decoding", "decodings")
    data: DataNeed


@dataclass(frozen=True, kw_only=True)
class Train(Work):
    """Train a source network, with a method's branch in joint training."""

    nouns = ("source training", "source trainings")
    source: SourceSpec


@dataclass(frozen=True, kw_only=True)
class Fit(Work):
    """Fit methods' branches and statistics on one frozen source network."""

    stage = "fit"
    nouns = ("fit", "fits")
    source: SourceSpec
    branches: tuple[BranchSpec, ...]


@dataclass(frozen=True, kw_only=True)
class Adapt(Work):
    """Adapt to a target and record the trajectory: one cell."""

    stage = "adapt"
    goal = True
    nouns = ("cell", "cells")
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Measure(Work):
    """Measure something on the models behind a cell, for a study."""

    stage = "adapt"
    goal = True
    nouns = ("measurement", "measurements")
    cell: Cell
    what: str
    """A name of ``measurements.catalogue``."""
    iterations: int = 0
    """Of a fine-tuning on target labels."""


CLASSES: tuple[type[Work], ...] = (Decode, Train, Fit, Adapt, Measure)


@dataclass(frozen=True)
class Context:
    """Where and with what work is done; the same for all pieces."""

    folder: Path
    """The sweep's folder."""
    cache: Path
    """Checkpoints and decoded data, shared by all sweeps."""
    roots: Mapping[str, Path]
    extra_methods: tuple[Path, ...] = ()
    device: str = "cpu"
    threads: int = 1
    """Of each worker, as the plan says: part of what results are known by."""
    keep_decoded: bool = True
    """Whether decoded samples are kept in the cache; without it they are decoded at every access."""
    idle: Callable[[], bool] | None = None
    """Whether another worker's processors have nothing to do just now, as whoever deals the work knows; None: nobody
    does, since this process works alone."""
    plugins: Mapping[plugins.Kind, tuple[Path, ...]] = field(default_factory=plugins.in_use)
    """Tasks, domains and networks given by path; every process that works here finds them (``plugins.use``)."""

    @property
    def decoded(self) -> Path | None:
        """Where decoded samples are kept; None: nowhere."""
        return self.cache if self.keep_decoded else None


def lay_out(plan: Plan) -> list[Work]:
    """All work of ``plan``, dependencies before dependants."""
    works: dict[str, Work] = {}

    def add(work: Work) -> str:
        works.setdefault(work.id, work)
        return work.id

    for source in plan.sources:
        data = add(_decode(source_data(source)))
        add(Train(source.id, f"train {source.label}", frozenset({data}), source=source))
    fits: dict[str, str] = {}
    all_branches = plan.branches
    known = registry.discover(plan.extra_methods)
    for source in plan.sources:
        branches = tuple(branch for branch in all_branches if branch.source.id == source.id)
        for group in _fit_groups(branches, known):
            fit = Fit(
                id=identity({"kind": "fit", "branches": [b.id for b in group]}),
                label=f"fit {', '.join(dict.fromkeys(b.method for b in group))} on {source.label}",
                needs=frozenset({source.id, _decode(source_data(source)).id}),
                source=group[0].source,
                branches=group,
            )
            fits |= dict.fromkeys((b.id for b in group), add(fit))
    for cell in plan.cells:
        images = {add(_decode(need)) for need in target_data(cell)}
        needs = images | {cell.source.id} | ({fits[cell.branch.id]} if cell.branch.id in fits else set())
        add(Adapt(cell.id, cell.label, frozenset(needs), cell=cell))
    return list(works.values())


def with_needs(goals: Iterable[Work], works: Iterable[Work]) -> list[Work]:
    """``goals`` and what of ``works`` they need, directly or not; dependencies first."""
    asked = list(goals)
    wanted = {need for goal in asked for need in goal.needs}
    kept = []
    for work in reversed(list(works)):  # dependants come after what they need
        if work.id in wanted:
            wanted |= work.needs
            kept.append(work)
    return [*reversed(kept), *asked]


def _fit_groups(branches: tuple[BranchSpec, ...], known: Mapping[str, MethodInfo]) -> list[tuple[BranchSpec, ...]]:
    """Branches that can share forwards: same network and same fit settings, a few at a time. One that trains networks,
    or has stages, is fitted alone; these come first, as they take longest."""
    alone: list[tuple[BranchSpec, ...]] = []
    groups: dict[tuple[int, float, int], list[BranchSpec]] = {}
    for branch in branches:
        info, training = known[branch.method], branch.source.training
        if info.trains_networks or info.source_stages:
            alone.append((branch,))
            continue
        key = (training.fit_iterations, training.fit_lr, training.statistics_batches)
        groups.setdefault(key, []).append(branch)
    return [*alone, *(part for group in groups.values() for part in _parts(group))]


def _parts(group: Sequence[BranchSpec]) -> list[tuple[BranchSpec, ...]]:
    """``group`` in as few parts of ``TOGETHER`` at most as it takes, of even sizes."""
    count = -(-len(group) // TOGETHER)
    bounds = [len(group) * part // count for part in range(count + 1)]
    return [tuple(group[first:last]) for first, last in pairwise(bounds)]


def _decode(need: DataNeed) -> Decode:
    key = {"kind": "data", "fingerprint": need.fingerprint, "split": need.split, "count": need.count}
    return Decode(
        id=identity({**key, "classes": need.classes, "tasks": need.tasks}),
        label=f"decode {need.count} images of {need.domain} ({need.split})",
        data=need,
    )
