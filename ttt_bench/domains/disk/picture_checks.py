"""Checklists of data sets that keep one label per picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Problem
from ttt_bench.domains.disk.pictures import PictureFiles
from ttt_bench.errors import UserError


def check_pictures(
    opened: Iterable[Callable[[], PictureFiles]], notes: tuple[str, ...] = (), one_size: bool = False
) -> Checklist:
    """Every picture of the domains that ``opened`` opens, as their own reader lists them."""
    problems: list[Problem] = []
    items: list[Item] = []
    for make in opened:
        try:
            domain = make()
        except UserError as error:
            problems.append(Problem.of(error))
            continue
        items += [
            Item(split, domain.image_name(split, index), domain.find(split, index))
            for split in SPLITS
            for index in range(domain.length(split))
        ]
    return Checklist(PictureFiles.kinds, tuple(items), one_size=one_size, problems=tuple(problems), notes=notes)
