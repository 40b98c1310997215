"""Recognising how a data set lies on disk, and opening it. Touches folder names only; numpy at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttt_bench.domains.contract import Domain
from ttt_bench.domains.family import Family, Layout
from ttt_bench.domains.finding import families, resolve
from ttt_bench.domains.pixels.opening import is_folder, subfolders
from ttt_bench.errors import UserError


@dataclass(frozen=True)
class Found:
    """A data set on disk."""

    family: Family
    layout: Layout
    root: Path


def fits(family: Family, layout: Layout, folder: Path) -> bool:
    """Whether ``folder`` is the root of a data set in ``layout``."""
    if not (layout.has or layout.fits):
        return False
    for either in layout.has:
        if not any(_matches(folder, pattern) for pattern in either.split("|")):
            return False
    return not layout.fits or bool(resolve(family, layout.fits)(folder))


def _matches(folder: Path, pattern: str) -> bool:
    try:
        return next(folder.glob(pattern), None) is not None
    except OSError:  # a closed folder shows nothing, and is no data set for this user
        return False


def recognise(folder: Path, extra: tuple[Path, ...] = ()) -> Iterator[Found]:
    """Every data set in ``folder`` itself, else in the folders directly below it, by name.

    Raises:
        UserError: there is no such folder.
    """
    if not is_folder(folder):
        raise UserError(f"There is no folder {folder}.", "Check the path.")
    layouts = [(family, layout) for family in families(extra).values() for layout in family.layouts]
    for place in (folder, *subfolders(folder)):
        found = [Found(family, layout, place) for family, layout in layouts if fits(family, layout, place)]
        yield from found
        if found and place == folder:
            return


def open_layout(family: Family, member: str, root: Path, size: tuple[int, int]) -> Domain:
    """Open a domain of ``family`` at ``root`` or in the usual folder below it, in whichever of its layouts that is.

    Raises:
        UserError: it is in none of them.
    """
    below = dict.fromkeys(name for layout in family.layouts for name in layout.below)
    for place in (root, *(root / name for name in below)):
        for layout in family.layouts:
            if fits(family, layout, place):
                return open_found(Found(family, layout, place), member, size)
    raise UserError(
        f"{root} does not look like {family.name}.",
        "It should hold " + ", or ".join(layout.holds for layout in family.layouts) + ".",
    )


def open_found(found: Found, member: str, size: tuple[int, int]) -> Domain:
    """Open one domain of a data set that was recognised.

    Raises:
        UserError: something is wrong with its files.
    """
    reader: Any = resolve(found.family, found.layout.opens)
    takes_member = bool(found.family.members) or found.family.named_by_user
    domain: Domain = reader(member, found.root, size) if takes_member else reader(found.root, size)
    return domain
