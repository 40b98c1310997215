"""All domains by name: a written name is opened by the family that declares it. Numpy at most, no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ttt_bench.domains.contract import Domain
from ttt_bench.domains.disk.layouts import open_layout
from ttt_bench.domains.disk.options import USUAL, FileOptions, Roots, reading_with
from ttt_bench.domains.disk.roots import Located, environment_variable, locate, read_roots
from ttt_bench.domains.family import Family
from ttt_bench.domains.finding import families, resolve
from ttt_bench.errors import UserError, did_you_mean

__all__ = [
    "DomainInfo", "environment_variable", "families", "family_of", "find_root", "given_roots", "list_domains",
    "list_families",
    "open_domain",
]  # fmt: skip
Size = tuple[int, int]


@dataclass(frozen=True)
class DomainInfo:
    """One domain of a family."""

    family: Family
    member: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """What to write on the command line."""
        return f"{self.family.name}/{self.member}" if self.member else self.family.name

    @property
    def description(self) -> str:
        """What it is, in words."""
        return f"{self.family.title}: {self.title}" if self.title else self.family.title

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those of its family."""
        return self.family.tasks

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of its family; empty where the files decide."""
        return self.family.classes

    @property
    def needs_root(self) -> bool:
        """Whether somebody must say where its files are."""
        return self.family.needs_root


def list_families(extra: tuple[Path, ...] = ()) -> tuple[Family, ...]:
    """Every family, those that need nothing on disk first, by name."""
    return tuple(sorted(families(extra).values(), key=lambda family: (family.needs_root, family.name)))


def list_domains(extra: tuple[Path, ...] = ()) -> tuple[DomainInfo, ...]:
    """Every domain without corruptions, in a fixed order; touches no file but declarations."""
    return tuple(
        DomainInfo(family, member, title)
        for family in list_families(extra)
        for member, title in (family.titles() or {"": ""}).items()
    )


def open_domain(spec: str, size: Size, roots: Mapping[str, Path] | None = None) -> Domain:
    """Open a domain by its written name, once per process.

    Args:
        spec: ``rooms/studio``, ``nyudv2``, or either with corruptions: ``nyudv2+fog:5``.
        size: (H, W) of every image and label.
        roots: folder by domain name, from ``--data``; the environment and the configuration file are asked next.
            As ``Roots`` it also says which files declare families, and how files are read.

    Raises:
        UserError: a part of the name is unknown, or the data is not where it should be.
    """
    base, *changes = (part.strip() for part in spec.split("+"))
    corruptions = tuple(_parse_corruption(change, spec) for change in changes)
    given = Roots.of(roots or {})
    family, member = _look_up(base, given.declared)
    root = find_root(family, member, given).path if family.needs_root else None
    return _open(family.name, member, size, root, given.declared, corruptions, given.options)


@lru_cache(maxsize=256)
def _open(
    name: str,
    member: str,
    size: Size,
    root: Path | None,
    extra: tuple[Path, ...],
    corruptions: tuple[tuple[str, int], ...],
    options: FileOptions = USUAL,
) -> Domain:
    if corruptions:
        from ttt_bench.domains.corruptions.domain import corrupt

        clean = _open(name, member, size, root, extra, corruptions[:-1], options)
        return corrupt(clean, *corruptions[-1])
    family = families(extra)[name]
    with reading_with(options):
        domain = _read(family, member, size, root)
    domain.scaling = family.scaling
    if family.code:
        domain.code = family.code
        domain.reopen = (_open, (name, member, size, root, extra, (), options))
    return domain


def _read(family: Family, member: str, size: Size, root: Path | None) -> Domain:
    if root is not None:
        return open_layout(family, member, root, size)
    make: Any = resolve(family, family.opens)
    domain: Domain = make(member, size) if family.members else make(size)
    return domain


def _look_up(base: str, extra: tuple[Path, ...]) -> tuple[Family, str]:
    """The family and the member that ``base`` names."""
    known = families(extra)
    name, slash, member = base.partition("/")
    if name not in known:
        names = [f"{other.name}/{m}" if m else other.name for other in known.values() for m in _shown(other) or [""]]
        raise UserError(f"Unknown domain {base!r}.", did_you_mean(base, names))
    family = known[name]
    members = family.titles()
    if family.named_by_user and (bool(member) == bool(slash)):
        return family, member
    if not members and not slash:
        return family, ""
    if not members:
        raise UserError(f"Domain {name!r} is one domain and has no {member!r}.", f"Write {name}.")
    if not member:
        example = f"{name}/{next(iter(members))}"
        hint = did_you_mean(member, _shown(family))
        raise UserError(f"Domain {name!r} needs to be given with one of its members, such as {example}.", hint)
    if member not in members:
        raise UserError(f"Domain {name!r} has no member {member!r}.", _nearest(family, member))
    return family, member


def _shown(family: Family) -> list[str]:
    """Members as they are listed: with severities as a range."""
    if not family.severities:
        return list(family.titles())
    levels = f"{family.severities[0]}..{family.severities[-1]}"
    return [f"{text.partition(':')[0]}-{levels}" for text in family.members]


def _nearest(family: Family, member: str) -> str:
    hint = did_you_mean(member, family.titles())
    near = hint.partition("? ")[0] + "? " if "? " in hint else ""
    return near + f"Valid: {', '.join(_shown(family))}."


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


def find_root(family: Family, member: str, roots: Mapping[str, Path]) -> Located:
    """The folder of a domain that needs one, and who named it.

    Raises:
        UserError: nobody did, there is no such folder, or a folder is given for a domain that needs none.
    """
    reading = [other for other in list_families(Roots.of(roots).declared) if other.needs_root]
    users = tuple(f"{other.name}/" for other in reading if other.named_by_user)
    full = f"{family.name}/{member}" if family.named_by_user and member else family.name
    return locate(full, roots, [*(other.name for other in reading), full], family.download, users)


def given_roots(data: Iterable[str], options: FileOptions = USUAL, extra: tuple[Path, ...] = ()) -> Roots:
    """``--data NAME=FOLDER`` options as folders by domain.

    Raises:
        UserError: a key names no domain that reads files, or a variable ``TTT_BENCH_...`` does.
    """
    reading = [family for family in list_families(extra) if family.needs_root]
    users = tuple(family.name for family in reading if family.named_by_user)
    return replace(read_roots(data, [family.name for family in reading], users, options), declared=extra)


def family_of(name: str, extra: tuple[Path, ...] = ()) -> str:
    """The family that a domain belongs to or stands in for: ``rooms/fog+snow:2`` -> ``taskonomy``."""
    own = name.partition("+")[0].partition("/")[0]
    known = families(extra)
    return known[own].stands_in or own if own in known else own
