"""The report's tables as views of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from ttt_bench.names import shown
from ttt_bench.report.commands import row_command
from ttt_bench.report.entries import collapsed_text, metric_head
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.page import model
from ttt_bench.report.page.curves import Array, best_steps, over_bn, row_curves, row_work, series, steps_of
from ttt_bench.report.page.pictures import shots_of
from ttt_bench.report.runs import Block
from ttt_bench.report.scoring import COLLAPSE_DELTA, Scored, stream_delta
from ttt_bench.report.segments import FORGETTING, segment_names
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.statistics.resampling import Interval

COST = (("cost/seconds", 1.0, 5), ("cost/relative", 1.0, 3), ("cost/memory", 2.0**-20, 1), ("cost/updated", 1e-6, 4))


def facets_of(groups: Sequence[Group]) -> tuple[model.Facet, ...]:
    """What tables may differ in, the pair first; also where they do not."""
    names = ("pair", *(field.name for field in fields(Block)))
    values = zip(*(_facet_values(group) for group in groups), strict=True)
    return tuple(model.Facet(name, tuple(dict.fromkeys(of))) for name, of in zip(names, values, strict=True))


def make_view(group: Group, looks: Mapping[str, int], asked: Mapping[str, str], room: int) -> model.View:
    """One table.

    Args:
        group: its rows.
        looks: label -> place among the page's looks.
        asked: cell -> command, see ``asked_commands``.
        room: bytes its pictures may take.
    """
    steps = steps_of(group)
    spent = [row_work(row, steps) for row in group.rows]
    # Methods of one kind cost the same, and so do settings of one method: each course is told once.
    work = tuple(dict.fromkeys(course for course in spent if None not in course))
    return model.View(
        slug=group.slug,
        title=f"{group.title}: {group.block.title}",
        block=group.block.title,
        facets=_facet_values(group),
        steps=tuple(steps.tolist()),
        segments=segment_names(group),
        work=work,
        metrics=tuple(
            model.Metric(m.id, m.task, metric_head(m), m.digits, 1 if m.higher_is_better else -1) for m in group.metrics
        ),
        fixed_step=group.fixed_step,
        verdict=group.uncertainty.verdict,
        source=group.source_line,
        accidents=group.accident_line,
        notes=group.notes,
        rows=tuple(
            _row(group, row, steps, looks[row.label], asked, work.index(course) if course in work else None)
            for row, course in zip(group.rows, spent, strict=True)
        ),
        losses=tuple(
            _lost(row, scored) for row in group.rows for scored in row.runs if scored.collapsed_step is not None
        ),
        pictures=shots_of(group, room),
    )


def _facet_values(group: Group) -> tuple[str, ...]:
    return (group.title, *(str(getattr(group.block, field.name)) for field in fields(group.block)))


def _row(group: Group, row: Row, steps: Array, look: int, asked: Mapping[str, str], work: int | None) -> model.Row:
    curves = row_curves(group, row, steps)
    return model.Row(
        label=row.label,
        method=row.method,
        look=look,
        control=row.is_control,
        seeds=len(row.runs),
        survivors=len(row.survivors),
        collapse=collapsed_text(row) if row.collapsed_steps else "",
        curves=curves,
        over_bn=over_bn(group, row, steps),
        best_steps=best_steps(group, curves, steps) if row.survivors else (),
        readings=tuple(_reading(group, row, selection.id) for selection in SELECTIONS),
        certainty=_certainty(group, row),
        sync=series([row.mean(key) for key in ("sv", "dtw", "cs")], 4),
        cost=tuple(series(row.mean(key) * scale, digits)[0] for key, scale, digits in COST),
        stream=_stream(row),
        drift=_drift(group, row),
        work=work,
        command=row_command(row, asked),
    )


def _reading(group: Group, row: Row, selection: str) -> model.Reading | None:
    if not row.survivors:
        return None
    [step] = series(row.mean(f"{selection}/step"), 2)
    [delta] = series(row.mean(f"{selection}/delta"), 3)
    [control] = series(row.mean(f"{selection}/delta_bn"), 3)
    values = [series(row.mean(f"{selection}/{m.id}") * m.scale, m.digits + 2)[0] for m in group.metrics]
    return model.Reading(step, tuple(values), delta, control)


def _certainty(group: Group, row: Row) -> model.Certainty | None:
    known = group.uncertainty.rows.get(row.label)
    if known is None:
        return None
    return model.Certainty(_ends(known.delta), _ends(known.over_bn), series(known.p_holm, 5)[0], known.tied)


def _ends(known: Interval | None) -> tuple[float, float] | None:
    if known is None or not np.isfinite([known.low, known.high]).all():
        return None
    return round(float(known.low), 3), round(float(known.high), 3)


def _stream(row: Row) -> model.Stream | None:
    """Means over the seeds whose streams have the same length."""
    both = [(stream_delta(s, 0), stream_delta(s, 1)) for s in row.survivors]
    both = [(before, after) for before, after in both if before[0].size]
    if not both or len({before[0].size for before, _ in both}) > 1:
        return None
    means = (np.mean([pair[end][1] for pair in both], axis=0) for end in (0, 1))
    return model.Stream(series(both[0][0][0], 0), *(series(mean, 3) for mean in means))


def _drift(group: Group, row: Row) -> model.Drift | None:
    places = range(len(segment_names(group)))
    if not row.survivors or not (places or any(FORGETTING in s.measures for s in row.survivors)):
        return None
    own, over = (series([row.mean(f"segment/{place}/{key}") for place in places], 3) for key in ("delta", "delta_bn"))
    return model.Drift(own, over, series(row.mean(FORGETTING), 3)[0])


def _lost(row: Row, scored: Scored) -> model.Loss:
    by_delta = scored.run.collapsed_step is None
    reason = f"Δ fell to {COLLAPSE_DELTA:.0f} % or below for good" if by_delta else "the run did not say"
    reason = str(scored.run.summary.get("collapse_reason") or reason)
    return model.Loss(
        f"{row.label}, seed {scored.run.cell.get('seed')}", f"collapsed at step {scored.collapsed_step}", shown(reason)
    )
