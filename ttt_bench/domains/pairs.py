"""Pairs: a source domain, a target domain, and the tasks and classes that they share. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.catalogue import family_of, open_domain
from ttt_bench.domains.contract import SPLITS, Domain, Split
from ttt_bench.domains.joined import Joined, parts_of
from ttt_bench.domains.streams import targets_of
from ttt_bench.errors import UserError
from ttt_bench.tasks import IGNORE, TASKS, get_task, of_kind

ARROW = "->"

PAPER_CLASSES: dict[frozenset[str], tuple[str, ...]] = {
    frozenset(("taskonomy", "nyudv2")): ("refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair"),
    frozenset(("taskonomy", "pascal")): ("table", "tv", "bottle", "sofa", "potted plant", "chair"),
    frozenset(("nyudv2", "pascal")): ("person", "sofa", "chair", "table"),
}
"""The classes of the S4T paper's pairs, in the order of its code. They are fewer than the domains share (Taskonomy and
NYUD-v2 both have tv), so they cannot be found by intersection. The paper prints "toilet" where its code means bottle,
and swaps the first two lists. Domains of ``rooms`` stand in for Taskonomy."""


@dataclass(frozen=True)
class Pair:
    """Where a network is trained and where it is tested."""

    source: Domain
    target: Domain
    tasks: tuple[str, ...]
    """Shared (and wanted), in the order of ``TASKS``."""
    classes: tuple[str, ...]
    """Shared class names, in the paper's order for the paper's pairs, else in the source's; position = the pair's
    class id. Empty without a task of classes."""

    @property
    def name(self) -> str:
        """``source->target``."""
        return f"{self.source.name}{ARROW}{self.target.name}"


def make_pair(source: Domain, target: Domain, tasks: tuple[str, ...] | None = None) -> Pair:
    """What ``source`` and ``target`` share.

    Args:
        source: the training domain.
        target: the test domain.
        tasks: wanted tasks; None = all shared ones.

    Raises:
        UserError: nothing is shared, or a wanted task is not.
    """
    name = f"{source.name}{ARROW}{target.name}"
    classes = _shared_classes(source, target)
    shared = [
        name
        for name, task in TASKS.items()
        if name in source.tasks and name in target.tasks and (classes or task.output != "classes")
    ]
    if not shared:
        raise UserError(
            f"The pair {name} shares no task.",
            f"{source.name} has {', '.join(source.tasks)}; {target.name} has {', '.join(target.tasks)}.",
        )
    for task in tasks or ():
        if get_task(task).name not in shared:
            classless = get_task(task).output == "classes" and not classes
            reason = "the two share no class" if classless else "only one of them has it"
            raise UserError(
                f"--tasks {task} is not possible for the pair {name}: {reason}.", f"Shared: {', '.join(shared)}."
            )
    chosen = tuple(t for t in shared if tasks is None or t in tasks)
    if not chosen:
        raise UserError("--tasks is empty.", f"Shared by {name}: {', '.join(shared)}.")
    return Pair(source, target, chosen, classes if of_kind(chosen, "classes") else ())


def _shared_classes(source: Domain, target: Domain) -> tuple[str, ...]:
    families = frozenset(family_of(domain.name) for domain in (source, *parts_of(target)))
    wanted = PAPER_CLASSES.get(families, source.classes)
    return tuple(c for c in wanted if c in source.classes and c in target.classes)


def parse_pair(
    text: str,
    size: tuple[int, int],
    roots: Mapping[str, Path] | None = None,
    tasks: tuple[str, ...] | None = None,
    stream: str = "iid",
) -> Pair:
    """Open ``"rooms/studio->rooms/fog"``; with several targets, or severities to run through, as ``stream`` takes them.

    Raises:
        UserError: the text is not a pair, a domain is unknown, or nothing is shared.
    """
    parts = [part.strip() for part in text.replace("→", ARROW).split(ARROW)]
    if len(parts) != 2 or not all(parts):
        raise UserError(
            f"{text!r} is not a pair.",
            "Write source->target in quotes, as a shell takes > for itself: --pairs 'rooms/studio->rooms/fog'.",
        )
    source = open_domain(parts[0], size, roots)
    targets = [open_domain(name, size, roots) for name in targets_of(stream, parts[1])]
    target = targets[0] if len(targets) == 1 else Joined(targets, parts[1])
    wanted: list[tuple[Domain, Split, str]] = [(source, "train", "source")]
    wanted += [(part, "test", "target") for part in targets]
    for domain, split, what in wanted:
        if not domain.length(split):
            raise UserError(
                f"{domain.name} has no {split} images: it cannot be the {what} of a pair.",
                f"It has {', '.join(f'{domain.length(s)} {s}' for s in SPLITS if domain.length(s)) or 'none at all'}.",
            )
    return make_pair(source, target, tasks)


def expand_pairs(texts: Iterable[str]) -> tuple[str, ...]:
    """Written pairs with every shorthand written out, each pair once.

    ``+all:1-5`` stands for the fifteen kinds of corruption at severities 1 to 5, ``+validation:5`` for the four extra
    kinds that are meant for choosing settings, at severity 5. ``cifar10c/all-5`` are the published files of the fifteen
    kinds, ``cifar10c/all-1-5`` at five severities.

    Raises:
        UserError: severities are missing, run backwards or do not exist.
    """
    parts = (
        re.split(r"([+/](?:all|validation)[:-][^+\s>→]*|\+(?:all|validation)\b)", text.replace(ARROW, "→"))
        for text in texts
    )
    return tuple(
        dict.fromkeys(
            "".join(words).replace("→", ARROW) for part in parts for words in product(*map(_written_out, part))
        )
    )


def _written_out(word: str) -> list[str]:
    """``+all:4-5`` -> +gaussian_noise:4, ...; ``/all-5`` -> /gaussian_noise-5, ...; anything else as it is."""
    from ttt_bench.domains.corruptions.tables import TEST_KINDS, VALIDATION, check_corruption

    begin = word.strip()[:1]
    sign = "-" if begin == "/" else ":"
    name, _, severities = word.strip()[1:].partition(sign)
    kinds = {"all": TEST_KINDS, "validation": VALIDATION}.get(name)
    if kinds is None or begin not in ("+", "/"):
        return [word]
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", severities)
    if match is None or int(match[1]) > int(match[2] or match[1]):
        raise UserError(
            f"{word!r}: after {begin}{name}{sign} comes a severity or a range of them.",
            f"Write {begin}{name}{sign}5 or {begin}{name}{sign}1-5.",
        )
    levels = range(int(match[1]), int(match[2] or match[1]) + 1)
    for level in (levels[0], levels[-1]):
        check_corruption(kinds[0], level)
    return [f"{begin}{kind}{sign}{level}" for kind in kinds for level in levels]


def class_table(
    domain_classes: tuple[str, ...], classes: tuple[str, ...], ignore: int = IGNORE
) -> npt.NDArray[np.int64]:
    """Lookup from a domain's class id to the position in ``classes``; everything else, -1 too, is ``ignore``."""
    table = np.full(max(256, len(domain_classes) + 1), ignore, np.int64)
    for position, name in enumerate(classes):
        if name in domain_classes:
            table[domain_classes.index(name)] = position
    return table
