"""Stored cells of a study as groups of labelled rows, one list per part, with what studies measure besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ttt_bench.errors import UserError
from ttt_bench.report.groups import Group, Row, make_groups
from ttt_bench.report.loading import left_out, read_run
from ttt_bench.report.paper import paper_order
from ttt_bench.report.runs import BASE, Run, chosen_metrics
from ttt_bench.report.scoring import Scored, score
from ttt_bench.report.uncertainty import DELTA, DELTA_BN
from ttt_bench.store.folder import SweepFolder
from ttt_bench.studies.parts import Part

GAIN = "last/gain/"
"""Measure: a task's relative gain over ``base`` at the last step, percent."""
DELTA_CLEAN = "last/delta_clean"
"""Measure: Delta at the last step against ``base`` on the clean images."""
DELTA_MULTI = "last/delta_multi"
"""Measure: Delta at the last step against the multi-task network's ``base``."""


@dataclass(frozen=True)
class PartResult:
    """What is stored of one part."""

    key: str
    groups: tuple[Group, ...]

    def group(self, like: Group) -> Group | None:
        """The group on the same pair and under the same settings."""
        return next((g for g in self.groups if (g.pair, g.block) == (like.pair, like.block)), None)


def load_parts(parts: Sequence[Part], folder: Path, warnings: list[str]) -> list[PartResult]:
    """Read and score every finished cell of ``parts``; the missing ones are left out.

    Args:
        parts: of a study.
        folder: of its sweep.
        warnings: gets a line per cell that is there but cannot be read, and is left out as well.
    """
    loaded = []
    for part in parts:
        store = SweepFolder(folder)
        paths = [store.cell_path(id) for id in part.titles]
        runs = []
        for path in (path for path in paths if path.exists()):
            try:
                runs.append(read_run(path))
            except UserError as error:
                warnings.append(left_out(error, folder))
        groups = make_groups(runs, chosen_metrics(None), None, paper_order()) if runs else []
        loaded.append(PartResult(part.key, tuple(_labelled(group, part.titles) for group in groups)))
    return loaded


def _labelled(group: Group, titles: Mapping[str, str]) -> Group:
    rank = {title: place for place, title in enumerate(dict.fromkeys(titles.values()))}
    rows = [replace(row, label=titles[row.runs[0].run.cell_id]) for row in group.rows]
    for row in rows:
        for scored in row.runs:
            last = scored.columns["last"]
            scored.measures.update(
                {f"{GAIN}{m.task}": float(g[last]) for m, g in zip(scored.metrics, scored.gains, strict=True)}
            )
    return replace(group, rows=tuple(sorted(rows, key=lambda row: rank[row.label])))


def against_clean(parts: Sequence[PartResult]) -> None:
    """Give every run of a noise study its Delta against the un-adapted model on clean images (``DELTA_CLEAN``)."""
    clean = {
        (g.pair, g.block, s.run.replicate): s.run
        for part in parts if float(part.key) == 0
        for g in part.groups for r in g.rows if r.method == BASE for s in r.runs
    }  # fmt: skip
    for part in parts:
        for group in part.groups:
            for scored in (s for row in group.rows for s in row.runs):
                base = clean.get((group.pair, group.block, scored.run.replicate))
                scored.measures[DELTA_CLEAN] = delta_against(scored, base)


def delta_against(scored: Scored, base: Run | None) -> float:
    """Delta of a run at the last step against another network's, or other images', un-adapted run; NaN without."""
    return float(score(scored.run, base, scored.metrics, 0).delta[-1])


def beside_multi(multi: PartResult, singles: Mapping[str, PartResult]) -> list[Group]:
    """The multi-task groups with a row more per method: its metrics and gains from the single-task runs.

    A single-task row's Delta is the mean over tasks of the gain over the same single-task network's ``base``;
    ``DELTA_MULTI`` takes the multi-task ``base`` instead. A seed is kept only where every task has it.
    """
    joined = []
    for group in multi.groups:
        found = {m.task: singles[m.task].group(group) for m in group.metrics if m.task in singles}
        own = [g for g in found.values() if g is not None]
        rows = [replace(row, label=f"{row.label}, multi") for row in group.rows]
        for row in rows:
            for scored in row.runs:
                scored.measures[DELTA_MULTI] = scored.measures.get(DELTA, float("nan"))
        if len(own) == len(group.metrics):
            rows += [_gathered(group, row, own) for row in group.rows]
        shown = sorted((row for row in rows if row.runs), key=lambda row: _rank(group, row))
        lead = (f"Multi-task: {group.source_line}.",) if group.source_line else ()
        joined.append(replace(group, rows=tuple(shown), notes=(*lead, *group.notes)))
    return joined


def _rank(group: Group, row: Row) -> tuple[int, str]:
    title, _, which = row.label.rpartition(", ")
    return [each.label for each in group.rows].index(title), which


def _gathered(group: Group, multi: Row, own: Sequence[Group]) -> Row:
    """One row out of the same method's rows in every task's group."""
    by_seed: dict[str, list[Scored]] = defaultdict(list)
    for each in own:
        row = next((r for r in each.rows if r.label == multi.label), None)
        for scored in row.runs if row is not None else ():
            by_seed[str(scored.run.cell["seed"])].append(scored)
    bases = {str(s.run.cell["seed"]): s.base for s in multi.runs}
    runs = [_gather(group, members, bases.get(seed)) for seed, members in by_seed.items() if len(members) == len(own)]
    return Row(f"{multi.label}, single", multi.method, tuple(runs))


def _gather(group: Group, members: Sequence[Scored], base: Run | None) -> Scored:
    measures: dict[str, float] = {}
    for scored in members:
        measures |= {k: v for k, v in scored.measures.items() if k.startswith("last/")}
    for key in (DELTA, DELTA_BN):
        values = [scored.measures.get(key, float("nan")) for scored in members]
        measures[key] = sum(values) / len(values)
    gains = [delta_against(scored, base) for scored in members]
    measures[DELTA_MULTI] = sum(gains) / len(gains)
    # A collapse of one task is the row's: the run that collapsed stands for all.
    carrier = next((s for s in members if s.collapsed_step is not None), members[0])
    return replace(carrier, measures=measures, metrics=group.metrics)
