"""Tables of the alignment study, from what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ttt_bench.identity import canonical
from ttt_bench.report.entries import MISSING, Entry, TextTable, metric_head
from ttt_bench.studies.answers.checks import named, spread
from ttt_bench.studies.page import Outcome
from ttt_bench.tasks import TASKS, Metric, metric_by_id

Stored = dict[str, Any]
ENCODERS = {"supervised": "supervised", "before": "self-supervised, before", "after": "self-supervised, aligned"}
KEYS = ("source", "method", "options", "training", "size", "images")
NEAR = 2.0
"""Points within which the notes on CTA expect the aligned network's clean accuracy."""


def alignment_groups(stored: Sequence[Stored]) -> dict[str, list[Stored]]:
    """Title -> the measurements that differ in nothing but the seed."""
    found: dict[str, list[Stored]] = {}
    for each in stored:
        size = "x".join(map(str, each["size"]))
        title = f"{each['source']}, {named(each['method'], each)}: {each['training']} training, {size}"
        found.setdefault(title, []).append(each)
    return found


def metrics_of(members: Sequence[Stored]) -> list[Metric]:
    """The first metric of every task that was scored."""
    return [task.metric for task in TASKS.values() if task.metric.id in members[0]["scores"]["supervised"]]


def values_of(members: Sequence[Stored], encoder: str, metric: Metric) -> list[float]:
    """A metric as displayed, one per source model."""
    return [metric.scale * each["scores"][encoder][metric.id] for each in members]


def alignment_outcome(stored: Sequence[Stored]) -> Outcome:
    """A table for each source and method, everything in long form, and a sentence."""
    tables, said = [], []
    for title, members in alignment_groups(stored).items():
        tables.append(_table(title, members))
        said.append(_sentence(title, members))
    frame = pd.DataFrame([row for each in stored for row in _rows(each)])
    return Outcome(tuple(tables), frame, " ".join(said))


def _table(title: str, members: Sequence[Stored]) -> TextTable:
    metrics, probes = metrics_of(members), list(members[0]["probes"])
    levels = len(members[0]["similarity"]["after"]["cka"])
    head = (
        "encoder", *(f"CKA, level {level}" for level in range(1, levels + 1)), "strangers, last", "cosine, last",
        *(metric_head(metric) for metric in metrics), *(f"linear probe, {task} (%) ↑" for task in probes),
    )  # fmt: skip
    rows = []
    for encoder, label in ENCODERS.items():
        found = [each["similarity"].get(encoder) for each in members]
        alike = [Entry(MISSING)] * (levels + 2) if found[0] is None else _similar(found, levels)
        scores = [Entry(spread(values_of(members, encoder, m), m.digits)) for m in metrics]
        probed = [Entry(spread([100 * each["probes"][task][encoder] for each in members], 1)) for task in probes]
        rows.append((Entry(label), *alike, *scores, *probed))
    many = f"Mean ± sample sd over {len(members)} source models" if len(members) > 1 else "One source model"
    notes = (
        f"{many}; {members[0]['images']} held-out images of {members[0]['source']}, so that features of "
        "more channels than that look alike by chance: see strangers.",
    )
    return TextTable(title, head, tuple(rows), notes)


def _similar(found: Sequence[Any], levels: int) -> list[Entry]:
    numbers = [[each["cka"][level] for each in found] for level in range(levels)]
    numbers += [[each["strangers"][-1] for each in found], [each["cosine"] for each in found]]
    return [Entry(spread(values, 3)) for values in numbers]


def _sentence(title: str, members: Sequence[Stored]) -> str:
    cka = {k: float(np.mean([each["similarity"][k]["cka"][-1] for each in members])) for k in ("before", "after")}
    parts = [f"{title}: CKA of the last level {cka['before']:.3f} before and {cka['after']:.3f} after the alignment."]
    for metric in metrics_of(members):
        if metric.unit != "%":
            continue
        one, other = (float(np.mean(values_of(members, encoder, metric))) for encoder in ("supervised", "after"))
        short = (one - other) if metric.higher_is_better else (other - one)
        within = "within" if short <= NEAR else "not within"
        parts.append(
            f"The aligned encoder is {short:.1f} points behind the supervised one in clean "
            f"{metric.title if metric.says_task else f'{metric.task} {metric.title}'}: {within} {NEAR:g} points."
        )
    return " ".join(parts)


def _rows(each: Stored) -> list[dict[str, Any]]:
    fixed = {key: canonical(each[key]) if key in ("options", "size") else each[key] for key in (*KEYS, "seed")}
    rows = []
    for encoder in ENCODERS:
        alike = each["similarity"].get(encoder)
        numbers: dict[str, float] = {}
        if alike is not None:
            numbers |= {f"cka/{level}": value for level, value in enumerate(alike["cka"], start=1)}
            numbers |= {f"strangers/{level}": value for level, value in enumerate(alike["strangers"], start=1)}
            numbers["cosine"] = alike["cosine"]
        numbers |= {metric_by_id(id).id: value for id, value in each["scores"][encoder].items()}
        numbers |= {f"probe/{task}": found[encoder] for task, found in each["probes"].items()}
        rows += [{**fixed, "encoder": encoder, "measure": name, "value": value} for name, value in numbers.items()]
    return rows
