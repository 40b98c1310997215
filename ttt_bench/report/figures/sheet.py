"""The picture sheet: image, truth, the un-adapted prediction and each method's, task by task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ttt_bench.report.examples import Examples, painted, pictures_of, words_of
from ttt_bench.report.figures.canvas import Sketch, heading
from ttt_bench.report.groups import Group
from ttt_bench.report.runs import BASE
from ttt_bench.report.style import WIDTH
from ttt_bench.tasks import IGNORE, TASKS, Task
from ttt_bench.tasks.paint import colour_scale, limits, palette

COLUMNS = 7
"""Pictures side by side; more methods continue in a second band."""
LEGEND_COLUMNS = 8
LEGEND_LINE = 0.125
"""Inches."""


def draw_sheet(group: Group) -> Sketch | None:
    """One image of the last batch; None if no run kept pictures."""
    shown = [(row, run, examples) for row in group.rows for run, examples in [pictures_of(row)] if run is not None]
    truth = next((examples for _, _, examples in shown if any(k.startswith("truth/") for k in examples)), None)
    if truth is None:
        return None
    tasks = [
        task for name, task in TASKS.items() if f"truth/{name}" in truth and painted(task, truth, None) is not None
    ]
    if not tasks:
        return None
    columns: list[tuple[str, Examples | None]] = [("truth", None)]
    columns += [
        ("source (base)" if row.method == BASE else row.label, examples)
        for row, _, examples in shown
        if any(key.startswith("prediction/") for key in examples)
    ]
    bands = [columns[: COLUMNS - 1]]
    rest = columns[COLUMNS - 1 :]
    bands += [rest[i : i + COLUMNS] for i in range(0, len(rest), COLUMNS)]
    classes = next((tuple(run.run.cell.get("classes") or ()) for _, run, _ in shown if run is not None), ())
    figure = _figure(group, bands, tasks, truth, classes)
    cells = tuple(run.run.cell_id for _, run, _ in shown if run is not None)
    return Sketch(figure, f"{group.pair}: predictions, {group.block.title}", cells)


def _figure(
    group: Group,
    bands: list[list[tuple[str, Examples | None]]],
    tasks: list[Task],
    truth: Examples,
    classes: Sequence[str],
) -> Figure:
    height, width = truth["image"].shape[1:3]
    side = WIDTH / COLUMNS
    tall = side * height / width
    lines = len(bands) * len(tasks)
    patches = _class_patches(
        truth, bands, classes, [t.name for t in tasks if (t.output, t.extent) == ("classes", "map")]
    )
    above, below = 0.36 + LEGEND_LINE * (1 + -(-len(patches) // LEGEND_COLUMNS)), 0.12
    total = lines * tall + len(bands) * 0.2 + above + below
    figure = Figure(figsize=(WIDTH, total))
    top = total - above
    for number, band in enumerate(bands):
        top -= 0.2
        for line, task in enumerate(tasks):
            y = top - (line + 1) * tall
            for place, (name, examples) in enumerate(band):
                column = place + (1 if number == 0 else 0)
                axes = _tile(figure, column * side, y, side, tall, total)
                picture = painted(task, truth, examples)
                if picture is None:
                    axes.set_visible(False)
                    continue
                axes.imshow(picture, interpolation="nearest")
                _caption(axes, words_of(task, truth, examples, classes))
                if line == 0:
                    axes.set_title(name, pad=2.0)
                if column == (1 if number == 0 else 0) and number > 0:
                    axes.set_ylabel(task.title, labelpad=1.5, fontsize=6.0)
            if number == 0:
                _key(_tile(figure, 0.0, y, side, tall, total), task, truth, line == 0)
        top -= len(tasks) * tall
    said = f"{group.block.title}; last step"
    if any(task.extent == "map" for task in tasks):
        said += "; hatched: no label; pale: prediction where there is no label"
    heading(figure, group.title, said)
    if patches:
        figure.legend(
            handles=patches, loc="upper center", bbox_to_anchor=(0.5, 1 - 0.36 / total), ncols=LEGEND_COLUMNS,
            frameon=False, fontsize=6.0, handlelength=1.0, handleheight=0.8, columnspacing=1.2,
        )  # fmt: skip
    return figure


def _class_patches(
    truth: Examples,
    bands: Sequence[Sequence[tuple[str, Examples | None]]],
    classes: Sequence[str],
    tasks: Sequence[str],
) -> list[Patch]:
    """The classes that can be seen in the truth or in a prediction of ``tasks``: a data set may have many more."""
    seen: set[int] = set()
    for task in tasks:
        seen.update(int(i) for i in np.unique(truth[f"truth/{task}"][0].astype(np.float64)) if i != IGNORE)
        for _, examples in (column for band in bands for column in band):
            if examples is not None and f"prediction/{task}" in examples:
                seen.update(int(i) for i in np.unique(examples[f"prediction/{task}"][0].argmax(axis=0)))
    if not tasks:
        return []
    colours = palette(max([*seen, len(classes) - 1]) + 1)
    return [
        Patch(color=tuple(colours[i] / 255.0), label=classes[i] if i < len(classes) else f"class {i}")
        for i in sorted(seen)
    ]


def _tile(figure: Figure, x: float, y: float, width: float, height: float, total: float) -> Axes:
    gap = 0.03
    axes = figure.add_axes(
        (x / WIDTH + gap / 2 / WIDTH, y / total + gap / 2 / total, (width - gap) / WIDTH, (height - gap) / total)
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _caption(axes: Axes, words: str) -> None:
    if words:
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
        axes.text(0.03, 0.04, words, transform=axes.transAxes, fontsize=6.0, va="bottom", bbox=box)


def _key(axes: Axes, task: Task, truth: Examples, first: bool) -> None:
    """The left column: the image in the first line, otherwise what the colours of the line mean."""
    label = np.asarray(truth[f"truth/{task.name}"][0], dtype=np.float64)
    if first:
        axes.imshow(truth["image"][0], interpolation="nearest")
        axes.set_title("image", pad=2.0)
        return
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.text(0.04, 0.96, task.title, va="top", fontsize=6.5, fontweight="bold")
    key = task.key(limits(label))
    axes.text(0.06, 0.72, key.text, va="top", fontsize=5.5)
    if key.ends is not None:
        ramp = axes.inset_axes((0.06, 0.42, 0.86, 0.12))
        ramp.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=ListedColormap(colour_scale(64) / 255.0))
        ramp.set_axis_off()
        axes.text(0.06, 0.38, key.ends[0], va="top", fontsize=5.5)
        axes.text(0.92, 0.38, key.ends[1], va="top", ha="right", fontsize=5.5)
