"""Checklists of data sets that keep one label per picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Problem
from ttt_bench.domains.disk.pictures import PictureFiles
from ttt_bench.errors import UserError


def check_pictures(
    opened: Iterable[Callable[[], PictureFiles]], notes: tuple[str, ...] = (), one_size: bool = False
) -> Checklist:
    """Every picture of the domains that ``opened`` opens, as their own reader lists them."""
    problems: list[Problem] = []
    domains: list[PictureFiles] = []
    items: list[Item] = []
    for make in opened:
        try:
            domain = make()
        except UserError as error:
            problems.append(Problem.of(error))
            continue
        domains.append(domain)
        items += [
            Item(split, domain.image_name(split, index), domain.find(split, index))
            for split in SPLITS
            for index in range(domain.length(split))
        ]
    opens = tuple(partial(_opened, domain) for domain in domains)
    return Checklist(
        PictureFiles.kinds, tuple(items), one_size=one_size, opens=opens, problems=tuple(problems), notes=notes
    )


def _opened(domain: PictureFiles, size: tuple[int, int]) -> PictureFiles:
    """The domain that was opened to list its pictures; what is asked of it depends on no size."""
    return domain
