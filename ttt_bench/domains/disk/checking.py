"""Checking a data set on disk file by file: what is missing, unreadable, of a wrong size or out of range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.axes import CLEAR, cosines
from ttt_bench.domains.pixels.files import Array
from ttt_bench.errors import UserError

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""
PROBES = 24
"""Images on which the axes of the normals are compared with the depth."""


@dataclass(frozen=True)
class Kind:
    """One kind of file that every image has."""

    name: str
    read: Callable[[Path], Array]
    """(h, w, ...) content; raises UserError."""
    fault: Callable[[Array], str] | None = None
    """What is wrong with the values; empty when nothing is."""
    scaled: bool = False
    """Whether it may be of another resolution than the image, at the same shape."""


@dataclass(frozen=True)
class Item:
    """One image of a data set."""

    split: str
    name: str
    find: Callable[[str], Path]
    """Kind -> where its file is or should be; a function, because a million images times five paths are too many."""


@dataclass(frozen=True)
class Checklist:
    """All that is to be checked of one data set, image first among the kinds."""

    kinds: tuple[Kind, ...]
    items: tuple[Item, ...]
    paper: dict[str, int] = field(default_factory=dict)
    """What the paper counts, by split."""
    usual_size: tuple[int, int] | None = None
    one_size: bool = False
    """Whether all images have one size."""
    evidence: Callable[[Item, dict[str, Array]], npt.NDArray[np.float64]] | None = None
    """About the axes of the normals, see ``axes.agreement``."""
    problems: tuple[Problem, ...] = ()
    """Found while listing."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Something that is wrong."""

    kind: str
    """missing, unreadable, wrong size, out of range, or axes."""
    what: str
    """Names the file."""


@dataclass
class Report:
    """What a check found."""

    title: str
    counts: dict[str, int] = field(default_factory=dict)
    paper: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(title: str, checklist: Checklist, every: int = 1, progress: Progress | None = None) -> Report:
    """Look at every file once.

    Args:
        title: heads the report.
        checklist: what there is to check.
        every: read the content of every so many-th image only; whether files exist is looked at for all.
        progress: told after each image.
    """
    report = Report(title, dict(Counter(item.split for item in checklist.items)), checklist.paper)
    report.problems += checklist.problems
    report.notes += checklist.notes
    sizes: dict[tuple[int, ...], list[Path]] = {}
    evidence = []
    probe = max(1, len(checklist.items) // PROBES)
    for position, item in enumerate(checklist.items):
        missing = [kind.name for kind in checklist.kinds if not item.find(kind.name).exists()]
        report.problems += [Problem("missing", str(item.find(name))) for name in missing]
        if position % every == 0:
            content = _read(checklist, item, missing, report)
            first = checklist.kinds[0].name
            if first in content:
                sizes.setdefault(content[first].shape[:2], []).append(item.find(first))
            if checklist.evidence and len(content) == len(checklist.kinds) and position % probe == 0:
                evidence.append(checklist.evidence(item, content))
        if progress is not None:
            progress(position + 1, len(checklist.items))
    _judge_sizes(checklist, sizes, report)
    if evidence:
        _judge_axes(cosines(evidence), report)
    if every > 1:
        report.notes.append(f"only every {every}th image was read; missing files were looked for everywhere")
    return report


def _read(checklist: Checklist, item: Item, missing: list[str], report: Report) -> dict[str, Array]:
    """The content of all files of an image that are as they should be."""
    content: dict[str, Array] = {}
    size: tuple[int, int] | None = None
    for kind in checklist.kinds:
        if kind.name in missing:
            continue
        path = item.find(kind.name)
        try:
            values = kind.read(path)
        except UserError as error:
            report.problems.append(Problem("unreadable", error.message))
            continue
        height, width = values.shape[:2]
        size = (height, width) if kind is checklist.kinds[0] else size
        if size and not _fits((height, width), size, kind.scaled):
            text = f"{path} is {height}x{width}; its image is {size[0]}x{size[1]}"
            report.problems.append(Problem("wrong size", text))
            continue
        fault = kind.fault(values) if kind.fault else ""
        if fault:
            report.problems.append(Problem("out of range", f"{path}: {fault}"))
            continue
        content[kind.name] = values
    return content


def _fits(size: tuple[int, int], image: tuple[int, int], scaled: bool) -> bool:
    if scaled:
        return abs(size[0] * image[1] / (size[1] * image[0]) - 1) <= 0.02
    return size == image


def _judge_sizes(checklist: Checklist, sizes: dict[tuple[int, ...], list[Path]], report: Report) -> None:
    if not sizes or not checklist.one_size:
        return
    usual = max(sizes, key=lambda size: len(sizes[size]))
    text = f"{usual[0]}x{usual[1]}"
    for size, paths in sizes.items():
        if size != usual:
            report.problems += [
                Problem("wrong size", f"{path} is {size[0]}x{size[1]}; the others are {text}") for path in paths
            ]
    official = checklist.usual_size
    ours = f"images are {text}"
    report.notes.append(ours if usual == official or not official else f"{ours}, not {official[0]}x{official[1]}")


def _judge_axes(cosine: npt.NDArray[np.float64], report: Report) -> None:
    text = ", ".join(f"{axis} {value:+.2f}" for axis, value in zip("xyz", cosine, strict=True))
    line = f"normals against those fitted to the depth (cosine by axis): {text}"
    if (cosine < -CLEAR).any():
        report.problems.append(Problem("axes", f"{line}; a negative one means that this axis points the other way"))
    else:
        report.notes.append(line)
