"""Stores of several people or clusters in one report: what may stand in one table, and what may not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.names import shown
from ttt_bench.report.build import score_runs
from ttt_bench.report.contrast import apart
from ttt_bench.report.groups import Group
from ttt_bench.report.loading import load_runs, without_copies
from ttt_bench.report.page.model import Section
from ttt_bench.report.result import Report
from ttt_bench.report.runs import Run
from ttt_bench.report.sweep_settings import Requests, read_requests

MUST_AGREE = {
    "source_fingerprint": "its source data are not the same",
    "target_fingerprint": "its target data are not the same",
    "tasks": "Δ would be over different tasks",
    "classes": "its classes are not the same",
    "batch_size": "other images are scored",
    "batches": "other images are scored",
}
"""Settings that all cells of one table share, and why: a rank over different questions is none."""
Origin = tuple[Path, Run]


def merge(
    folders: Sequence[Path], metrics: Sequence[str] | None = None, fixed_step: int | None = None, workers: int = 1
) -> Report:
    """One report of the cells of several folders; arguments as for ``build_report``.

    Returns:
        The report; a cell that is in two folders counts once, with a warning where its numbers differ.

    Raises:
        UserError: a folder has no cells, is given twice, or two hold cells that cannot be compared.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError("A folder is given twice.", "Name each once.")
    found: list[Origin] = []
    warnings: list[str] = []
    requests = [read_requests(folder) for folder in folders]
    for folder in folders:
        runs, said = load_runs(folder, workers=workers)
        found += [(folder, run) for run in runs]
        warnings += [f"{folder.name}: {line}" for line in said]
    _refuse_incomparable(found)
    kept, _ = without_copies(run for _, run in found)
    report = score_runs(kept, _joined(requests), metrics, fixed_step, _mixed)
    warnings = [*(line for each in requests for line in each.warnings), *warnings, *_contradictions(found)]
    return replace(report, sources=tuple(folders), warnings=tuple(warnings))


def contributions(report: Report) -> Section:
    """Who brought what: a section for the page."""
    rows = []
    runs = {run.cell_id: run for group in report.groups for run in _runs_of(group)}
    for folder in report.sources:
        own = [run for run in runs.values() if run.path.is_relative_to(folder)]
        rows.append(
            (
                folder.name,
                str(len(own)),
                *(_said(own, read) for _, read in VERSIONS),
                ", ".join(sorted({r.pair for r in own})),
            )
        )
    head = ("folder", "cells", *(name for name, _ in VERSIONS), "pairs")
    return Section("contributions", "Who brought what", "", head, tuple(rows))


VERSIONS: tuple[tuple[str, Callable[[Run], object]], ...] = (
    ("commit", lambda run: str(run.provenance.get("git_sha") or "unknown")[:10]),
    ("torch", lambda run: (run.provenance.get("versions") or {}).get("torch", "unknown")),
    ("device", lambda run: run.provenance.get("device") or "unknown"),
)


def _said(runs: Iterable[Run], read: Callable[[Run], object]) -> str:
    return ", ".join(sorted({shown(read(run)) for run in runs}))


def _refuse_incomparable(found: Sequence[Origin]) -> None:
    tables: dict[tuple[object, str], list[Origin]] = defaultdict(list)
    for origin in found:
        tables[origin[1].block, origin[1].pair].append(origin)
    for (_, pair), members in tables.items():
        for field, why in MUST_AGREE.items():
            values: dict[str, set[str]] = defaultdict(set)
            for folder, run in members:
                values[canonical(run.cell.get(field))].add(folder.name)
            if len(values) > 1 and len({name for names in values.values() for name in names}) > 1:
                said = "; ".join(f"{', '.join(sorted(names))}: {shown(value)[:80]}" for value, names in values.items())
                raise UserError(
                    f"{pair} cannot be compared: {why} ({field}: {said}).",
                    "Make a leaderboard of those that agree; `report --compare A B` shows all that differs.",
                )


def _joined(requests: Sequence[Requests]) -> Requests:
    asked = list(dict.fromkeys(each.metrics for each in requests))
    accidents = {cell: on for each in requests for cell, on in each.accidents.items()}
    others = tuple(dict.fromkeys([*asked[1:], *(other for each in requests for other in each.others)]))
    return Requests(asked[0], accidents, tuple(other for other in others if other != asked[0]))


def _runs_of(group: Group) -> list[Run]:
    return [scored.run for row in group.rows for scored in row.runs]


def _mixed(group: Group) -> Group:
    """``group`` with notes on versions and machines; that of the commits stands in every table."""
    notes = []
    for name, read in VERSIONS[1:]:
        counts = Counter(shown(read(run)) for run in _runs_of(group))
        if len(counts) > 1:
            said = ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
            notes.append(f"Mixed: cells of {len(counts)} kinds of {name} stand in this table: {said}.")
    return replace(group, notes=(*group.notes, *notes))


def _contradictions(found: Sequence[Origin]) -> list[str]:
    """The same cell with other numbers: one of the two machines or versions is wrong."""
    first: dict[str, Origin] = {}
    warnings = []
    for folder, run in found:
        other, same = first.setdefault(canonical(run.cell), (folder, run))
        if same is run:
            continue
        differing = apart(run, same, rtol=1e-6, atol=1e-9)
        if differing:
            warnings.append(
                f"{run.method} on {run.pair}, seed {run.cell.get('seed')}, is in {other.name} and in {folder.name} "
                f"with other numbers ({', '.join(differing)}); that of {other.name} counts."
            )
    return warnings
