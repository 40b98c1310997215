"""Streams that drift: what each method gains on each segment, and what the stream leaves of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttt_bench.metrics import gains
from ttt_bench.report.scoring import Array, Scored

if TYPE_CHECKING:
    from ttt_bench.report.entries import TextTable
    from ttt_bench.report.groups import Group

FORGETTING = "forgetting"


def stream_measures(scored: Scored, bn: Scored | None) -> dict[str, float]:
    """``segment/<place>/delta``, ``segment/<place>/delta_bn`` at the last step, and ``forgetting``; see the tables."""
    found: dict[str, float] = {}
    own = segment_delta(scored)
    control = np.full(len(own), np.nan) if bn is None else segment_delta(bn)
    for place, value in enumerate(own):
        found[f"segment/{place}/delta"] = float(value)
        if len(control) == len(own):
            found[f"segment/{place}/delta_bn"] = float(value - control[place])
    left = _left_of_source(scored)
    return found if left is None else {**found, FORGETTING: -left}


def segment_delta(scored: Scored) -> Array:
    """(segments,) Delta at the last step over the un-adapted model, on each segment; empty without segments."""
    run, base = scored.run, scored.base
    count = len(run.segment_names)
    if not count:
        return np.empty(0)
    changes = []
    for metric in scored.metrics:
        value = run.segments.get(metric.id)
        against = None if base is None else base.segments.get(metric.id)
        if value is None or against is None or len(value) != count or len(against) != count:
            return np.full(count, np.nan)
        changes.append(gains(value[:, 1], against[:, 0], np.full(count, metric.higher_is_better)))
    return np.asarray(np.mean(changes, axis=0)) if changes else np.full(count, np.nan)


def _left_of_source(scored: Scored) -> float | None:
    """Delta on held-out source images after the stream, over the model before it; None where it was not scored."""
    after = scored.run.summary.get("source_scores_after")
    before = None if scored.base is None else scored.base.summary.get("source_scores_after")
    if not after or not before or not scored.metrics:
        return None
    values, against = (
        np.array([np.nan if scores.get(m.id) is None else scores[m.id] for m in scored.metrics], np.float64)
        for scores in (after, before)
    )
    return float(np.mean(gains(values, against, [m.higher_is_better for m in scored.metrics])))


def segment_names(group: Group) -> tuple[str, ...]:
    """Of the stream's segments; empty where it does not drift."""
    return next((s.run.segment_names for row in group.rows for s in row.runs if s.run.segment_names), ())


def segment_tables(group: Group) -> list[TextTable]:
    """Delta and Delta over ``bn`` on each segment, and forgetting; none where the stream does not drift."""
    from ttt_bench.report.entries import DELTA, DELTA_BN, Column, number
    from ttt_bench.report.tables import make_table

    names = segment_names(group)
    known = [s for row in group.rows for s in row.runs if FORGETTING in s.measures]
    if not names and not known:
        return []
    show = number(2, signed=True)
    forgotten = Column(FORGETTING, "forgetting (%) ↓", show, -1, controls_win=False)
    notes = (
        f"Δ on {group.pair.partition('->')[0]} images kept from training, after the stream, with the sign turned: 0 is "
        "as before the stream, more is worse. A method predicts there as it does on the target: `bn` with the running "
        "statistics that the stream left it with, `tent` with those of each batch.",
    )
    if not names:
        return [make_table(group, "What the stream leaves of the source", [forgotten], notes)]
    own, over = (
        [Column(f"segment/{place}/{key}", name, show, 1) for place, name in enumerate(names)]
        for key in ("delta", "delta_bn")
    )
    said = "by segment of the stream, last step"
    return [
        make_table(group, f"{DELTA}, {said}", [*own, forgotten], notes),
        make_table(group, f"{DELTA_BN}, {said}", over),
    ]
