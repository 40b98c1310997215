"""Runs sorted into tables: which are compared, which are seeds of one row, what a reader has to know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ttt_bench.names import file_names, shown
from ttt_bench.report.chosen import choice_notes
from ttt_bench.report.runs import BASE, BN, Block, Run
from ttt_bench.report.scoring import NAN, Array, Scored, measure, score, synchronisation
from ttt_bench.report.segments import stream_measures
from ttt_bench.report.selection import DEFAULT_FIXED_STEP
from ttt_bench.report.uncertainty import UNKNOWN, Uncertainty
from ttt_bench.tasks import TASKS, Metric

ABSENT = "–"
"""In place of a setting that a variant does not have."""
MOST_SLUG = 116
"""Bytes; what stands before it and after it in the name of a file takes up to 27."""


@dataclass(frozen=True)
class Row:
    """One method (with its options) in one table: its runs over the seeds."""

    label: str
    method: str
    runs: tuple[Scored, ...]
    variant: tuple[tuple[str, str], ...] = ()
    """What tells it from other rows of the same method: (setting, value)."""

    @property
    def short(self) -> str:
        """The label without the names of the settings, for narrow tables that name them below."""
        return f"{self.method}({', '.join(value for _, value in self.variant)})" if self.variant else self.label

    @property
    def is_control(self) -> bool:
        """Whether it is what methods are compared with, not a method."""
        return self.method in (BASE, BN)

    @cached_property
    def survivors(self) -> tuple[Scored, ...]:
        """The runs that did not collapse: the only ones in a mean."""
        return tuple(scored for scored in self.runs if scored.collapsed_step is None)

    @cached_property
    def collapsed_steps(self) -> tuple[int, ...]:
        """Where each collapsed run did."""
        steps = (scored.collapsed_step for scored in self.runs)
        return tuple(sorted(step for step in steps if step is not None))

    def sample(self, key: str) -> Array:
        """One measure of every surviving run."""
        return np.array([scored.measures.get(key, NAN) for scored in self.survivors], dtype=np.float64)

    def mean(self, key: str) -> float:
        """Mean over the surviving runs; NaN if it is undefined for any of them."""
        return self._summary(key)[0]

    def sd(self, key: str) -> float:
        """Sample standard deviation (divisor n - 1) over the surviving runs; NaN for a single one."""
        return self._summary(key)[1]

    def _summary(self, key: str) -> tuple[float, float]:
        if key not in self._summaries:
            sample = self.sample(key)
            mean = float(sample.mean()) if sample.size else NAN
            self._summaries[key] = mean, float(sample.std(ddof=1)) if sample.size > 1 else NAN
        return self._summaries[key]

    @cached_property
    def _summaries(self) -> dict[str, tuple[float, float]]:
        """(mean, sd) of the measures asked for so far: tables, frames and the page ask for each some ten times."""
        return {}


@dataclass(frozen=True)
class Group:
    """One table: all methods on one pair under one protocol, stream, recipe, training and size."""

    block: Block
    pair: str
    metrics: tuple[Metric, ...]
    fixed_step: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What a reader of the table has to know."""
    accidents: tuple[str, ...] = ()
    """Accidents of a published code that were asked for: nobody should take such a table for the default."""
    budget: float | None = None
    """Forwards per image that its runs were read within; None: read to their end."""
    slug: str = ""
    """For names of files; no other table of the report has it."""
    uncertainty: Uncertainty = UNKNOWN
    """How sure its Deltas at the last step are."""

    @cached_property
    def controls(self) -> Mapping[str, Scored]:
        """Surroundings of a run -> ``bn`` on the same images with the same seed; without those that collapsed."""
        return {s.run.surroundings: s for row in self.rows if row.method == BN for s in row.survivors}

    @property
    def title(self) -> str:
        """``source → target``."""
        return self.pair.replace("->", " → ")

    @property
    def accident_line(self) -> str:
        """The accidents in one line; empty without any."""
        return f"Accidents of the S4T release: {', '.join(self.accidents)}" if self.accidents else ""

    @property
    def budget_line(self) -> str:
        """At which compute its runs are read, in one line; empty where they are read to their end."""
        return "" if self.budget is None else f"At equal compute: the last step within {self.budget:g}x"

    @property
    def source_line(self) -> str:
        """The source model's scores where it was trained, mean over seeds; empty when none were stored."""
        by_model = {s.run.cell.get("checkpoint"): s.run.summary for row in self.rows for s in row.runs}
        stored = [summary["source_scores"] for summary in by_model.values() if summary.get("source_scores")]
        scores = [
            f"{_named(metric)} {metric.display(float(np.mean([scores[metric.id] for scores in stored])))} {metric.unit}"
            for metric in self.metrics
            if stored and all(metric.id in scores for scores in stored)
        ]
        source = self.pair.partition("->")[0]
        return f"Source model on held-out {source}: {', '.join(s.strip() for s in scores)}" if scores else ""

    def row(self, method: str) -> Row | None:
        """The first row of a method."""
        return next((row for row in self.rows if row.method == method), None)


def _named(metric: Metric) -> str:
    return metric.title if metric.says_task else f"{TASKS[metric.task].title} {metric.title}"


def make_groups(
    runs: Sequence[Run], metrics: dict[str, Metric], fixed_step: int | None, order: Sequence[str]
) -> list[Group]:
    """Sort runs into tables and score them.

    Args:
        runs: all readable runs.
        metrics: task -> metric in Delta.
        fixed_step: step of the ``fixed`` selection; None: the smaller of 10 and the last of the table.
        order: methods known beforehand, in the order of their rows; others follow by name.
    """
    tables: dict[tuple[Block, str], list[Run]] = defaultdict(list)
    for run in runs:
        tables[run.block, run.pair].append(run)
    groups = []
    for (block, pair), members in sorted(tables.items(), key=lambda item: (item[0][1], item[0][0].parts)):
        borrowed = _borrowed_base(block, pair, members, runs)
        groups.append(_make_group(block, pair, members + borrowed, metrics, fixed_step, order, bool(borrowed)))
    names = file_names(((group.pair, *group.block.parts) for group in groups), MOST_SLUG)
    return [replace(group, slug=name) for group, name in zip(groups, names, strict=True)]


def _borrowed_base(block: Block, pair: str, members: Sequence[Run], runs: Sequence[Run]) -> list[Run]:
    # `base` does not update anything, so a recipe cannot change it and one such run serves every recipe.
    if any(run.method == BASE for run in members):
        return []
    donors: dict[str, Run] = {}
    for run in runs:
        if run.method == BASE and run.pair == pair and replace(run.block, recipe=block.recipe) == block:
            donors.setdefault(run.surroundings, run)
    wanted = {run.surroundings for run in members}
    return [run for key, run in donors.items() if key in wanted]


def _make_group(
    block: Block,
    pair: str,
    runs: Sequence[Run],
    metrics: dict[str, Metric],
    fixed_step: int | None,
    order: Sequence[str],
    borrowed: bool,
) -> Group:
    # A run that collapsed at once may have scored nothing; it must not take a metric from the others.
    scored_runs = [run for run in runs if run.collapsed_step is None]
    shared = tuple(m for m in metrics.values() if scored_runs and all(m.id in r.values for r in scored_runs))
    last = int(max(run.steps[-1] for run in runs))
    fixed = min(DEFAULT_FIXED_STEP, last) if fixed_step is None else fixed_step
    bases = {run.surroundings: run for run in runs if run.method == BASE}
    scored = [score(run, bases.get(run.surroundings), shared, fixed) for run in runs]
    controls = {s.run.surroundings: s for s in scored if s.run.method == BN and s.collapsed_step is None}
    for item, in_step in zip(scored, synchronisation(scored), strict=True):
        control = controls.get(item.run.surroundings)
        item.measures.update(measure(item, control) | stream_measures(item, control) | in_step)
    rows = _rows(scored, order)
    return Group(block, pair, shared, fixed, rows, _notes(rows, runs, shared, metrics, borrowed))


def _rows(scored: Sequence[Scored], order: Sequence[str]) -> tuple[Row, ...]:
    by_row: dict[str, list[Scored]] = defaultdict(list)
    for item in scored:
        by_row[item.run.row].append(item)
    variants: dict[str, list[Run]] = defaultdict(list)
    for members in by_row.values():
        variants[members[0].run.method].append(members[0].run)
    rank = {name: place for place, name in enumerate(dict.fromkeys((BASE, BN, *order)))}
    rows = []
    for members in by_row.values():
        method = members[0].run.method
        told = _differing(variants[method])
        own = flat(members[0].run)
        variant = tuple((told[key], _said(own.get(key))) for key in told)
        runs = tuple(sorted(members, key=lambda s: (s.run.replicate, s.run.cell_id)))
        values = tuple(_ordered(own.get(key)) for key in told)
        rows.append((Row(_label(method, variant), method, runs, variant), values))
    rows.sort(key=lambda item: (rank.get(item[0].method, len(rank)), item[0].method, item[1], item[0].label))
    return tuple(row for row, _ in rows)


def flat(run: Run) -> dict[str, Any]:
    """Settings and options of a run in one level: ``network.hidden`` for what stands within another."""
    found: dict[str, Any] = {}

    def add(prefix: str, part: Mapping[str, Any]) -> None:
        for key, value in part.items():
            if isinstance(value, Mapping):
                add(f"{prefix}{key}.", value)
            else:
                found[f"{prefix}{key}"] = value

    add("", run.settings)
    add("", run.asked)
    return found


def _differing(variants: Sequence[Run]) -> dict[str, str]:
    """What tells the variants of one method apart, and what each is called: its last part, if no other has that."""
    all_settings = [flat(variant) for variant in variants]
    keys = sorted({key for settings in all_settings for key in settings})
    differing = [key for key in keys if len({repr(settings.get(key)) for settings in all_settings}) > 1]
    last = Counter(key.rpartition(".")[2] for key in differing)
    return {key: key if last[key.rpartition(".")[2]] > 1 else key.rpartition(".")[2] for key in differing}


def _label(method: str, variant: Sequence[tuple[str, str]]) -> str:
    said = ", ".join(f"{shown(name)}={value}" for name, value in variant if value != ABSENT)
    return f"{method}({said})" if said else method


def _said(value: object) -> str:
    return ABSENT if value is None else shown(value)


def _ordered(value: object) -> tuple[int, float, str]:
    """A key that sorts numbers by size, before everything else by its text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return (1, 0.0, "") if value is None else (2, 0.0, str(value))


def _notes(
    rows: Sequence[Row],
    runs: Sequence[Run],
    shared: Sequence[Metric],
    wanted: dict[str, Metric],
    borrowed: bool,
) -> tuple[str, ...]:
    notes = []
    if not any(row.method == BASE for row in rows):
        notes.append("There is no `base` run, so Δ is undefined everywhere. Sweep it with --methods base.")
    else:
        orphans = sorted({row.label for row in rows for s in row.runs if s.base is None})
        if orphans:
            names = ", ".join(orphans)
            notes.append(f"No `base` run on the same images and seed for: {names}; Δ is undefined.")
    notes += dict.fromkeys(note for run in runs if run.method == BASE for note in run.notes)
    notes += dict.fromkeys(f"Data: {shown(note)}." for run in runs for note in run.cell.get("notes") or ())
    commits = Counter(str(run.provenance.get("git_sha") or "unknown") for run in runs)
    if len(commits) > 1:
        said = ", ".join(f"{shown(sha[:10])} ({count})" for sha, count in sorted(commits.items()))
        notes.append(f"Cells of {len(commits)} versions of the code stand in this table: commit (cells) {said}.")
    if borrowed:
        notes.append("`base` comes from another recipe: it updates nothing, so no recipe changes it.")
    if not any(row.method == BN for row in rows):
        notes.append("There is no `bn` control, so Δ−bn is undefined. Sweep it with --methods bn.")
    present = {id for run in runs for id in run.values}
    dropped = [m.id for m in wanted.values() if m.id in present and m not in shared]
    if dropped:
        notes.append(f"Not in Δ, since some runs lack it: {', '.join(dropped)}.")
    for row in rows:
        if row.collapsed_steps:
            steps = ", ".join(map(str, row.collapsed_steps))
            notes.append(
                f"{row.label}: {len(row.collapsed_steps)} of {len(row.runs)} runs collapsed (step {steps}); "
                "means are over the others, and the row cannot win a column."
            )
    return (*notes, *choice_notes(rows))
