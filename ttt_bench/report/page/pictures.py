"""The picture sheet as small pictures within the page, for a swipe between the un-adapted network and a method."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterator

import numpy as np
from PIL import Image

from ttt_bench.report.examples import Examples, painted, pictures_of, words_of
from ttt_bench.report.groups import Group
from ttt_bench.report.page.model import Pictures, Shot
from ttt_bench.tasks import TASKS, Task
from ttt_bench.tasks.contract import Picture

SIDE = 160
"""Pixels of the longer side at most; smaller pictures stay as they are."""
TRUTH = "truth"


def shots_of(group: Group, room: int) -> Pictures | None:
    """The first image that the group's cells kept, as far as it goes into ``room`` bytes; None without any."""
    if room < 10_000:
        return None
    kept = [(row.label, run, examples) for row in group.rows for run, examples in [pictures_of(row)] if run is not None]
    truth = next((examples for _, _, examples in kept if any(key.startswith("truth/") for key in examples)), None)
    if truth is None:
        return None
    classes = next(tuple(run.run.cell.get("classes") or ()) for _, run, _ in kept)
    tasks = [t for t in TASKS.values() if f"truth/{t.name}" in truth and painted(t, truth, None) is not None]
    shots: list[Shot] = []
    image = _address(truth["image"][0])
    left = room - len(image)
    for by, examples in [(TRUTH, None), *((label, examples) for label, _, examples in kept)]:
        made = list(_shots(by, tasks, truth, examples, classes))
        left -= sum(len(shot.picture) for shot in made)
        if left < 0:
            break
        shots += made
    return Pictures(image, tuple((task.name, task.title) for task in tasks), tuple(shots)) if len(shots) > 1 else None


def _shots(
    by: str, tasks: list[Task], truth: Examples, examples: Examples | None, classes: tuple[str, ...]
) -> Iterator[Shot]:
    for task in tasks:
        if examples is not None and f"prediction/{task.name}" not in examples:
            continue
        picture = painted(task, truth, examples)
        if picture is not None:
            yield Shot(task.name, by, _address(picture), words_of(task, truth, examples, classes))


def _address(picture: Picture) -> str:
    """``data:`` address of a picture, no larger than it will be seen."""
    image = Image.fromarray(np.asarray(picture, dtype=np.uint8))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=88)
    return "data:image/webp;base64," + b64encode(file.getvalue()).decode("ascii")
