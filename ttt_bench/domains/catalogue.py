"""All domains by name: one table of families, from which a written name is opened. Numpy at most, no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.domains.contract import Domain
from ttt_bench.domains.disk.roots import Located, environment_variable, locate
from ttt_bench.errors import UserError, did_you_mean

__all__ = [
    "FAMILIES", "DomainInfo", "Family", "environment_variable", "find_root", "list_domains", "open_domain",
]  # fmt: skip
Size = tuple[int, int]
ALL_TASKS = ("semseg", "depth", "normal", "edge")


@dataclass(frozen=True)
class DomainInfo:
    """One line of the list of domains."""

    name: str
    """What to write on the command line; also the key of ``--data`` when a root is needed."""
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    description: str
    needs_root: bool
    download: str = ""
    """Where the files can be had, in words; nothing is ever downloaded."""


@dataclass(frozen=True)
class Family:
    """Domains that one piece of code opens."""

    entries: Callable[[], tuple[DomainInfo, ...]]
    open: Callable[[str, Size, Path | None], Domain]
    """(name without corruptions, (H, W), root if one is needed) -> the domain."""


def _rooms_entries() -> tuple[DomainInfo, ...]:
    from ttt_bench.domains.rooms.furniture import CLASSES
    from ttt_bench.domains.rooms.looks import LOOKS

    return tuple(
        DomainInfo(f"rooms/{name}", ALL_TASKS, CLASSES, f"procedural rooms: {look.title}", False)
        for name, look in LOOKS.items()
    )


def _open_rooms(name: str, size: Size, root: Path | None) -> Domain:
    from ttt_bench.domains.rooms.domain import Rooms

    return Rooms(name.partition("/")[2], size)


def _nyudv2_entries() -> tuple[DomainInfo, ...]:
    from ttt_bench.domains.nyudv2.frames import CLASSES

    where = (
        "the README of ATRC or InvPT on GitHub (the archive NYUDv2), or from the NYU Depth V2 page of New York "
        "University (nyu_depth_v2_labeled.mat, then `python -m ttt_bench data prepare nyudv2`)"
    )
    what = "NYU Depth V2: 795 + 654 labelled frames of real rooms"
    return (DomainInfo("nyudv2", ALL_TASKS, CLASSES, what, True, where),)


def _pascal_entries() -> tuple[DomainInfo, ...]:
    from ttt_bench.domains.pascal.reader import CLASSES

    where = "the README of ATRC or InvPT on GitHub (the archive PASCALContext)"
    what = "PASCAL-Context: 4998 + 5105 photographs of all kinds"
    return (DomainInfo("pascal", ("semseg", "normal", "edge"), CLASSES, what, True, where),)


def _taskonomy_entries() -> tuple[DomainInfo, ...]:
    from ttt_bench.domains.taskonomy.reader import CLASSES

    where = "the Taskonomy page of Stanford and EPFL, through its download tool omnidata-tools (subset tiny)"
    what = "Taskonomy tiny: scans of 25 + 5 + 5 real buildings"
    return (DomainInfo("taskonomy", ALL_TASKS, CLASSES, what, True, where),)


def _open_files(name: str, size: Size, root: Path | None) -> Domain:
    from ttt_bench.domains.disk.layouts import open_layout

    assert root is not None
    return open_layout(name, root, size)


FAMILIES: dict[str, Family] = {
    "rooms": Family(_rooms_entries, _open_rooms),
    "nyudv2": Family(_nyudv2_entries, _open_files),
    "pascal": Family(_pascal_entries, _open_files),
    "taskonomy": Family(_taskonomy_entries, _open_files),
}
"""By the part of the name before a slash. A new reader is one more line here."""


def list_domains() -> tuple[DomainInfo, ...]:
    """Every domain without corruptions, in a fixed order; touches no file."""
    return tuple(entry for family in FAMILIES.values() for entry in family.entries())


def open_domain(spec: str, size: Size, roots: Mapping[str, Path] | None = None) -> Domain:
    """Open a domain by its written name.

    Args:
        spec: ``rooms/studio``, ``nyudv2``, or either with corruptions: ``nyudv2+fog:5``.
        size: (H, W) of every image and label.
        roots: folder by domain name, from ``--data``; the environment and the configuration file are asked next.

    Raises:
        UserError: a part of the name is unknown, or the data is not where it should be.
    """
    base, *changes = (part.strip() for part in spec.split("+"))
    parsed = [_parse_corruption(change, spec) for change in changes]
    known = {entry.name: entry for entry in list_domains()}
    if base not in known:
        raise _unknown(base, known)
    root = find_root(known[base], roots or {}).path if known[base].needs_root else None
    domain = FAMILIES[base.partition("/")[0]].open(base, size, root)
    if parsed:
        from ttt_bench.domains.corruptions.domain import corrupt

        for kind, severity in parsed:
            domain = corrupt(domain, kind, severity)
    return domain


def _unknown(base: str, known: Mapping[str, DomainInfo]) -> UserError:
    family, slash, look = base.partition("/")
    siblings = [name for name in known if name.startswith(f"{family}/")]
    if siblings:
        looks = [name.partition("/")[2] for name in siblings]
        missing = f"no look {look!r}" if slash and look else "to be given with a look, such as rooms/studio"
        verb = "has" if slash and look else "needs"
        return UserError(f"Domain {family!r} {verb} {missing}.", did_you_mean(look, looks))
    return UserError(f"Unknown domain {base!r}.", did_you_mean(base, known))


def _parse_corruption(text: str, spec: str) -> tuple[str, int]:
    """``fog:5`` -> ("fog", 5); the ranges are checked without loading what corrupts."""
    from ttt_bench.domains.corruptions.tables import check_corruption

    match = re.fullmatch(r"([^:]*):(-?\d+)", text)
    if match is None:
        kind = text.partition(":")[0]
        raise UserError(
            f"{spec!r}: after the + comes a corruption and its severity, not {text!r}.",
            f"Write for example +{kind or 'fog'}:5 (severity 1 to 5).",
        )
    kind, severity = match.group(1), int(match.group(2))
    check_corruption(kind, severity)
    return kind, severity


def find_root(entry: DomainInfo, roots: Mapping[str, Path]) -> Located:
    """The folder of a domain that needs one, and who named it.

    Raises:
        UserError: nobody did, or there is no such folder.
    """
    return locate(entry.name, roots, (e.name for e in list_domains() if e.needs_root), entry.download)
