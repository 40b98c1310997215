"""Image classification over kinds of corruption: rows methods, columns kinds and their mean, beside printed numbers."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from ttt_bench.domains.corruptions.tables import TEST_KINDS, VALIDATION
from ttt_bench.report.entries import MISSING, Entry, TextTable, metric_column
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import Block
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.tasks import Metric, get_task

KINDS = (*TEST_KINDS, *VALIDATION)
SHORT = {
    "gaussian_noise": "gauss", "shot_noise": "shot", "impulse_noise": "impulse", "defocus_blur": "defocus",
    "glass_blur": "glass", "motion_blur": "motion", "zoom_blur": "zoom", "brightness": "bright",
    "elastic_transform": "elastic", "jpeg_compression": "jpeg", "speckle_noise": "speckle", "gaussian_blur": "gblur",
}  # fmt: skip
"""Heads of narrow columns; a kind that is not here is short enough."""
PRINTED_ON, PRINTED_SEVERITY = ("cifar10", "cifar10c"), 5
"""Where numbers of papers are at hand."""


@dataclass(frozen=True)
class Target:
    """One corrupted target: ``cifar10+fog:5`` and ``cifar10c/fog-5`` alike."""

    clean: str
    kind: str
    severity: int


def target_of(pair: str) -> Target | None:
    """The corruption that a pair's target is named after, if any."""
    found = re.fullmatch(r"(?P<clean>.+)[+/](?P<kind>[a-z_]+)[:-](?P<severity>[1-5])", pair.partition("->")[2])
    if found is None or found["kind"] not in KINDS:
        return None
    return Target(found["clean"], found["kind"], int(found["severity"]))


def share_of_images(group: Group) -> Metric | None:
    """The one metric of a table of image classification that is a share of the images: accuracy or error."""
    if len(group.metrics) != 1:
        return None
    metric = group.metrics[0]
    task = get_task(metric.task)
    return metric if task.extent == "image" and task.output == "classes" and metric.unit == "%" else None


Series = dict[int, dict[str, Group]]
"""Severity -> kind -> the table of that target."""


def by_target(groups: Sequence[Group]) -> dict[tuple[Block, str, str], Series]:
    """(block, source, clean target) -> the groups of its corruptions, where they classify images."""
    found: dict[tuple[Block, str, str], Series] = defaultdict(lambda: defaultdict(dict))
    for group in groups:
        target = target_of(group.pair)
        if target is not None and share_of_images(group) is not None:
            found[group.block, group.pair.partition("->")[0], target.clean][target.severity][target.kind] = group
    return found


def kind_tables(groups: Sequence[Group]) -> list[TextTable]:
    """A table for each target and severity with two kinds of corruption or more."""
    return [
        _table(source, clean, severity, kinds)
        for (_, source, clean), series in by_target(groups).items()
        for severity, kinds in sorted(series.items())
        if len(kinds) > 1
    ]


def level(group: Group, label: str) -> float:
    """Percent of images, at the last step, mean over the seeds; NaN where the method is not there."""
    metric = share_of_images(group)
    assert metric is not None
    values = [row.mean(f"{SELECTIONS[0].id}/{metric.id}") for row in group.rows if row.label == label]
    return metric.scale * values[0] if values else float("nan")


def _table(source: str, clean: str, severity: int, kinds: dict[str, Group]) -> TextTable:
    order = [kind for kind in KINDS if kind in kinds]
    any_group = kinds[order[0]]
    metric = share_of_images(any_group)
    assert metric is not None
    labels = list(dict.fromkeys(row.label for kind in order for row in kinds[kind].rows))
    matrix = np.array([[level(kinds[kind], label) for kind in order] for label in labels])
    means = matrix.mean(1)
    wins = (
        means == (np.nanmax(means) if metric.higher_is_better else np.nanmin(means)) if np.isfinite(means).any() else []
    )
    other = "error" if metric.higher_is_better else "accuracy"
    rows = [
        (
            Entry(label),
            *map(_shown, values),
            _shown(means[place], bool(len(wins) and wins[place])),
            _shown(100 - means[place]),
        )
        for place, (label, values) in enumerate(zip(labels, matrix, strict=True))
    ]
    notes = [f"{metric.title.capitalize()} in percent at the last step, mean over the seeds; bold: the best mean."]
    if clean in PRINTED_ON and severity == PRINTED_SEVERITY and source == "cifar10" and metric.higher_is_better:
        rows += _printed_rows(order)
        notes.append(
            "In italics: printed in the papers of ClusT3 (ResNet-50, the best of several numbers of steps by target "
            "labels) and TENT (WRN-28-10, online), on CIFAR-10-C; other networks and protocols than those above."
        )
    title = f"{clean} at severity {severity}, over {len(order)} kinds of corruption: {any_group.block.title}"
    column = metric_column(metric, SELECTIONS[0], metric.title)
    head = ("method", *(SHORT.get(kind, kind) for kind in order), f"mean {column.head}", f"mean {other}")
    return TextTable(title, head, tuple(rows), tuple(notes))


def _shown(value: float, best: bool = False) -> Entry:
    return Entry(f"{value:.1f}" if np.isfinite(value) else MISSING, "bold" if best else "")


def _printed_rows(order: Sequence[str]) -> list[tuple[Entry, ...]]:
    rows = []
    for printed in _printed():
        values = [float(printed[kind]) if kind in printed else float("nan") for kind in order]
        mean = float(np.mean(values))
        numbers = [f"{v:.1f}" if np.isfinite(v) else MISSING for v in (*values, mean, 100 - mean)]
        name = f"{printed['method']} ({printed['network']}, printed)"
        rows.append(tuple(Entry(text, "oracle") for text in (name, *numbers)))
    return rows


@lru_cache(maxsize=1)
def _printed() -> tuple[dict[str, str], ...]:
    with files("ttt_bench.report").joinpath("published_corruptions.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))
