"""A plan as pieces of work with dependencies: decode, train, fit, adapt. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ttt_bench import plugins
from ttt_bench.cell.spec import Cell
from ttt_bench.identity import identity
from ttt_bench.plan.plan import DataNeed, Plan
from ttt_bench.source.spec import BranchSpec, SourceSpec

Kind = Literal["data", "train", "fit", "cell"]


@dataclass(frozen=True)
class Work:
    """One piece of work: at most one of its payload fields is set, by ``kind``."""

    id: str
    kind: Kind
    label: str
    needs: frozenset[str] = frozenset()
    """Identities of the work that must be done before."""
    data: DataNeed | None = None
    """What it decodes or reads."""
    source: SourceSpec | None = None
    branches: tuple[BranchSpec, ...] = ()
    cell: Cell | None = None


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
    threads: int = 0
    """Threads per worker; 0 leaves torch's default."""
    keep_decoded: bool = True
    """Whether decoded samples are kept in the cache; without it they are decoded at every access."""
    plugins: Mapping[plugins.Kind, tuple[Path, ...]] = field(default_factory=plugins.in_use)
    """Tasks, domains and networks given by path; every process that works here finds them (``plugins.use``)."""


def lay_out(plan: Plan) -> list[Work]:
    """All work of ``plan``, dependencies before dependants."""
    works: dict[str, Work] = {}

    def add(work: Work) -> str:
        works.setdefault(work.id, work)
        return work.id

    for source in plan.sources:
        data = add(_decode(plan.source_data(source)))
        add(Work(source.id, "train", f"train {source.label}", frozenset({data}), plan.source_data(source), source))
    fits: dict[str, str] = {}
    all_branches = plan.branches
    for source in plan.sources:
        branches = tuple(branch for branch in all_branches if branch.source.id == source.id)
        for group in _fit_groups(branches):
            fit = Work(
                id=identity({"kind": "fit", "branches": [b.id for b in group]}),
                kind="fit",
                label=f"fit {', '.join(dict.fromkeys(b.method for b in group))} on {source.label}",
                needs=frozenset({source.id, _decode(plan.source_data(source)).id}),
                data=plan.source_data(source),
                source=group[0].source,
                branches=group,
            )
            fits |= dict.fromkeys((b.id for b in group), add(fit))
    for cell in plan.cells:
        data = add(_decode(plan.target_data(cell)))
        needs = {data, cell.source.id} | ({fits[cell.branch.id]} if cell.branch.id in fits else set())
        add(Work(cell.id, "cell", cell.label, frozenset(needs), plan.target_data(cell), cell=cell))
    return list(works.values())


def _fit_groups(branches: tuple[BranchSpec, ...]) -> list[tuple[BranchSpec, ...]]:
    """Branches that can share forwards: same network and same fit settings."""
    groups: dict[str, list[BranchSpec]] = {}
    for branch in branches:
        training = branch.source.training
        key = f"{training.fit_iterations} {training.fit_lr} {training.statistics_batches}"
        groups.setdefault(key, []).append(branch)
    return [tuple(group) for group in groups.values()]


def _decode(need: DataNeed) -> Work:
    key = {"kind": "data", "fingerprint": need.fingerprint, "split": need.split, "count": need.count}
    return Work(
        id=identity({**key, "classes": need.classes, "tasks": need.tasks}),
        kind="data",
        label=f"decode {need.count} images of {need.domain} ({need.split})",
        data=need,
    )
