"""Runs against their controls: gains, Delta, synchronisation and cost of each, at each selection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ttt_bench.identity import identity
from ttt_bench.metrics import (
    cosine_similarity,
    delta,
    dtw_many,
    gains,
    plateau_step_variance,
    step_variance,
)
from ttt_bench.report.runs import BASE, BN, Block, Run
from ttt_bench.report.selection import DEFAULT_FIXED_STEP, SELECTIONS, select_columns
from ttt_bench.tasks import Metric

Array = npt.NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True)
class Scored:
    """A run beside the un-adapted model on the same images."""

    run: Run
    base: Run | None
    """The un-adapted run of the same images and seed; None leaves gains and Delta NaN."""
    metrics: tuple[Metric, ...]
    """One per task, the ones in Delta."""
    base_values: Array
    """(tasks,) of the base at its step 0."""
    gains: Array
    """(tasks, steps) percent."""
    delta: Array
    """(steps,) percent."""
    columns: dict[str, int | None]
    """Selection id -> column of the trajectory."""
    measures: dict[str, float] = field(default_factory=dict)
    """Everything a table may show; see ``measure``."""

    @property
    def base_hash(self) -> str:
        """Identifies the numbers Delta was taken against; travels with each Delta."""
        if self.base is None:
            return ""
        return identity([[m.id, repr(float(v))] for m, v in zip(self.metrics, self.base_values, strict=True)])


@dataclass(frozen=True)
class Row:
    """One method (with its options) in one table: its runs over the seeds."""

    label: str
    method: str
    runs: tuple[Scored, ...]

    @property
    def survivors(self) -> tuple[Scored, ...]:
        """The runs that did not collapse: the only ones in a mean."""
        return tuple(scored for scored in self.runs if scored.run.collapsed_step is None)

    @property
    def collapsed_steps(self) -> tuple[int, ...]:
        """Where each collapsed run did."""
        steps = (scored.run.collapsed_step for scored in self.runs)
        return tuple(sorted(step for step in steps if step is not None))

    def sample(self, key: str) -> Array:
        """One measure of every surviving run."""
        return np.array([scored.measures.get(key, NAN) for scored in self.survivors], dtype=np.float64)

    def mean(self, key: str) -> float:
        """Mean over the surviving runs; NaN if it is undefined for any of them."""
        sample = self.sample(key)
        return float(sample.mean()) if sample.size else NAN

    def sd(self, key: str) -> float:
        """Sample standard deviation (divisor n - 1) over the surviving runs; NaN for a single one."""
        sample = self.sample(key)
        return float(sample.std(ddof=1)) if sample.size > 1 else NAN


@dataclass(frozen=True)
class Group:
    """One table: all methods on one pair under one protocol, recipe, training and size."""

    block: Block
    pair: str
    metrics: tuple[Metric, ...]
    fixed_step: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What a reader of the table has to know."""

    @property
    def title(self) -> str:
        """``source → target``."""
        return self.pair.replace("->", " → ")

    @property
    def slug(self) -> str:
        """For file names."""
        kept = "".join(c if c.isalnum() or c in "-+" else "_" for c in self.pair.replace("->", "-to-"))
        return f"{kept}_{self.block.slug}"

    def row(self, method: str) -> Row | None:
        """The first row of a method."""
        return next((row for row in self.rows if row.method == method), None)


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
    for (block, pair), members in sorted(tables.items(), key=lambda item: (item[0][1], item[0][0].slug)):
        borrowed = _borrowed_base(block, pair, members, runs)
        groups.append(_make_group(block, pair, members + borrowed, metrics, fixed_step, order, bool(borrowed)))
    return groups


def _borrowed_base(block: Block, pair: str, members: Sequence[Run], runs: Sequence[Run]) -> list[Run]:
    # `base` does not update anything, so a recipe cannot change it and one such run serves every recipe.
    if any(run.method == BASE for run in members):
        return []
    donors: dict[str, Run] = {}
    for run in runs:
        same = (run.block.protocol, run.block.training, run.block.size) == (
            block.protocol,
            block.training,
            block.size,
        )
        if run.method == BASE and run.pair == pair and same:
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
    controls = {s.run.surroundings: s for s in scored if s.run.method == BN and s.run.collapsed_step is None}
    for item, in_step in zip(scored, synchronisation(scored), strict=True):
        item.measures.update(measure(item, controls.get(item.run.surroundings)) | in_step)
    rows = _rows(scored, order)
    return Group(block, pair, shared, fixed, rows, _notes(rows, runs, shared, metrics, borrowed))


def score(run: Run, base: Run | None, metrics: tuple[Metric, ...], fixed_step: int) -> Scored:
    """Gains and Delta of one run over its base, and the columns that the selections read."""
    nothing = np.full(len(run.steps), np.nan)
    values = np.array([run.values.get(m.id, nothing) for m in metrics]).reshape(len(metrics), len(run.steps))
    higher = [m.higher_is_better for m in metrics]
    usable = base is not None and base.steps[0] == 0 and len(metrics) > 0
    against = np.full(len(metrics), np.nan)
    if base is not None and usable:
        against = np.array([base.values.get(m.id, [np.nan])[0] for m in metrics])
    change = gains(values, against, higher)
    improvement = delta(values, against, higher) if usable else np.full(len(run.steps), np.nan)
    columns = select_columns(run.steps, run.loss, improvement, fixed_step)
    return Scored(run, base if usable else None, metrics, against, change, improvement, columns)


def measure(scored: Scored, bn: Scored | None) -> dict[str, float]:
    """Every number a table may show of one run, but for ``synchronisation``.

    Keys: ``<selection>/step``, ``<selection>/<metric id>``, ``<selection>/delta``, ``<selection>/delta_bn``
    (Delta minus the ``bn`` control's at the same selection and seed) and ``cost/*``.
    """
    found: dict[str, float] = {}
    for selection in SELECTIONS:
        column = scored.columns[selection.id]
        where = None if bn is None else bn.columns[selection.id]
        if column is None:
            continue
        found[f"{selection.id}/step"] = float(scored.run.steps[column])
        found[f"{selection.id}/delta"] = float(scored.delta[column])
        for metric in scored.metrics:
            known = scored.run.values.get(metric.id)
            found[f"{selection.id}/{metric.id}"] = NAN if known is None else float(known[column])
        if bn is not None and where is not None:
            found[f"{selection.id}/delta_bn"] = float(scored.delta[column] - bn.delta[where])
    return found | _cost(scored)


def synchronisation(scored: Sequence[Scored]) -> list[dict[str, float]]:
    """``sv``, ``sv_plateau``, ``dtw``, ``dtw_per_step``, ``dtw_percent``, ``cs`` and ``range/<task>`` of each run.

    Relative to the run's own step 0, as the definition has it: independent of any other cell. Empty for a run
    that collapsed.
    """
    found: list[dict[str, float]] = [{} for _ in scored]
    alike: dict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(scored):
        if item.metrics and item.run.collapsed_step is None:
            alike[len(item.run.steps)].append(place)
    for places in alike.values():
        oriented = np.array([_own_gains(scored[place]) for place in places])
        warping, percent = dtw_many(oriented), dtw_many(oriented, normalise=False)
        for number, place in enumerate(places):
            rows, steps = oriented[number], scored[place].run.steps
            found[place] = {
                "sv": step_variance(rows, steps),
                "sv_plateau": plateau_step_variance(rows, steps),
                "dtw": float(warping[number]),
                "dtw_per_step": float(warping[number]) / len(steps),
                "dtw_percent": float(percent[number]),
                "cs": cosine_similarity(rows),
                **{f"range/{m.task}": float(np.ptp(r)) for m, r in zip(scored[place].metrics, rows, strict=True)},
            }
    return found


def _own_gains(scored: Scored) -> Array:
    values = np.array([scored.run.values[m.id] for m in scored.metrics])
    return gains(values, values[:, 0], [m.higher_is_better for m in scored.metrics])


def _cost(scored: Scored) -> dict[str, float]:
    run, base = scored.run, scored.base
    forward = NAN if base is None else base.eval_seconds
    summary = run.summary

    def known(key: str) -> float:
        return NAN if summary.get(key) is None else float(summary[key])

    return {
        "cost/seconds": run.seconds,
        "cost/relative": run.seconds / forward if forward > 0 else NAN,
        "cost/forwards": run.forwards,
        "cost/backwards": run.backwards,
        "cost/memory": known("peak_memory_bytes"),
        "cost/parameters": known("parameters_total"),
        "cost/updated": known("parameters_updated"),
    }


def _rows(scored: Sequence[Scored], order: Sequence[str]) -> tuple[Row, ...]:
    by_row: dict[str, list[Scored]] = defaultdict(list)
    for item in scored:
        by_row[item.run.row].append(item)
    variants: dict[str, list[Run]] = defaultdict(list)
    for members in by_row.values():
        variants[members[0].run.method].append(members[0].run)
    rank = {name: place for place, name in enumerate(dict.fromkeys((BASE, BN, *order)))}

    def place(row: Row) -> tuple[int, str, str]:
        return rank.get(row.method, len(rank)), row.method, row.label

    rows = (
        Row(
            _label(members[0].run, variants[members[0].run.method]),
            members[0].run.method,
            tuple(sorted(members, key=lambda s: (s.run.replicate, s.run.cell_id))),
        )
        for members in by_row.values()
    )
    return tuple(sorted(rows, key=place))


def _label(run: Run, variants: Sequence[Run]) -> str:
    # Only what tells the variants of one table apart; a lone variant is just its method.
    differing = sorted(
        key
        for key in {key for variant in variants for key in variant.settings | variant.options}
        if len({repr((variant.settings | variant.options).get(key)) for variant in variants}) > 1
    )
    own = run.settings | run.options
    said = ", ".join(f"{key}={own[key]}" for key in differing if key in own)
    return f"{run.method}({said})" if said else run.method


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
    return tuple(notes)
