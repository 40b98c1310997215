"""Checklists of data sets that keep one label per picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ttt_bench.domains.contract import SPLITS
from ttt_bench.domains.disk.checking import Checklist, Item, Kind, Problem
from ttt_bench.domains.disk.pictures import PICTURE_MODES, PictureFiles
from ttt_bench.domains.pixels.files import Array, read_image
from ttt_bench.domains.pixels.opening import FileError
from ttt_bench.errors import UserError


def read_picture(path: Path) -> Array:
    """(h, w, 3) of a picture of any mode.

    Raises:
        UserError: it is unreadable.
    """
    import numpy as np

    return np.asarray(read_image(path, PICTURE_MODES).convert("RGB"))


def problem_of(error: UserError) -> Problem:
    """The line that a reader's refusal becomes."""
    return Problem(error.kind if isinstance(error, FileError) else "unreadable", error.message)


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
            problems.append(problem_of(error))
            continue
        for split in SPLITS:
            for index in range(domain.length(split)):
                path = domain.path(split, index)
                items.append(Item(split, str(path), lambda kind, path=path: path))  # type: ignore[misc]
    kinds = (Kind("pictures", read_picture),)
    return Checklist(kinds, tuple(items), one_size=one_size, problems=tuple(problems), notes=notes)
