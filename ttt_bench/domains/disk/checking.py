"""Checking a data set on disk file by file: what is missing, unreadable, of a wrong size or out of range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ttt_bench.domains.pixels.kinds import Kind, look
from ttt_bench.domains.pixels.opening import FileError, look_at
from ttt_bench.domains.pixels.plausible import Tally
from ttt_bench.errors import UserError

if TYPE_CHECKING:
    from ttt_bench.domains.disk.reader import DiskDomain, FileDomain

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""
PROBED_SIZE = (64, 64)
REMEDY = (
    "if a new copy is no better, an image can be left out: --skip-bad LIST names images as above, one per line; "
    "every table then says so"
)


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
    reader: FileDomain | type[FileDomain] | None = None
    """What reads it in a sweep: tells depths from ids, and what they may be."""
    opens: tuple[Callable[[tuple[int, int]], DiskDomain], ...] = ()
    """(H, W) -> each of its domains as a sweep reads them."""
    problems: tuple[Problem, ...] = ()
    """Found while listing."""
    notes: tuple[str, ...] = ()
    remedy: str = REMEDY
    """What to do about files that cannot be mended."""
    counts: dict[str, int] = field(default_factory=dict)
    """Images by split, where files are not one for each and there are no items."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong."""

    kind: str
    """missing, unreadable, wrong size, out of range, implausible, or axes."""
    what: str
    """Names the file."""

    @classmethod
    def of(cls, error: UserError, kind: str = "unreadable") -> Problem:
        """What an error says, as a problem."""
        return cls(error.kind if isinstance(error, FileError) else kind, error.message.rstrip("."))


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
    counts = dict(Counter(item.split for item in checklist.items)) or dict(checklist.counts)
    report = Report(title, counts, checklist.paper)
    report.problems += checklist.problems
    report.notes += checklist.notes
    sizes: dict[tuple[int, ...], list[Path]] = {}
    reader = checklist.reader
    tally = Tally(reader.limits) if reader else None
    for position, item in enumerate(checklist.items):
        if position % every == 0:
            content, faults = look(checklist.kinds, item.find)
            first = checklist.kinds[0].name
            if first in content:
                sizes.setdefault(content[first].shape[:2], []).append(item.find(first))
            if tally is not None and reader is not None:
                tally.add(content.get(reader.depth_kind), content.get(reader.ids_kind))
        else:
            faults = _missing(checklist.kinds, item)
        report.problems += [Problem.of(fault) for fault in faults]
        if progress is not None:
            progress(position + 1, len(checklist.items))
    if report.problems:
        report.notes.append(checklist.remedy)
    _judge_sizes(checklist, sizes, report)
    report.problems += [Problem("implausible", text) for text in tally.doubts()] if tally is not None else []
    _as_read(checklist, report, every)
    if every > 1:
        report.notes.append(f"only every {every}th image was read; missing files were looked for everywhere")
    return report


def _missing(kinds: tuple[Kind, ...], item: Item) -> list[FileError]:
    faults = []
    for kind in kinds:
        try:
            look_at(item.find(kind.name))
        except FileError as error:
            faults.append(error)
    return faults


def _as_read(checklist: Checklist, report: Report, every: int) -> None:
    """What only the domains themselves can say: that they open, their axes, and what the whole sets look like."""
    domains: list[DiskDomain] = []
    for opened in checklist.opens:
        try:
            domains.append(opened(PROBED_SIZE))
        except UserError as error:
            # Files that are missing have been named one by one; anything else is said here and nowhere before.
            report.problems += [] if report.problems else [Problem.of(error)]
    for domain in domains:
        try:
            report.notes += domain.notes()
        except UserError as error:
            report.problems.append(Problem.of(error, "axes"))
    if every == 1 and not report.problems:
        report.problems += [Problem("implausible", text) for domain in domains for text in domain.set_doubts()]


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
