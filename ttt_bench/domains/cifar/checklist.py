"""What there is to check in the files of CIFAR: whole files are read, as they hold thousands of images each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ttt_bench.domains.cifar.arrays import Cifar101, files
from ttt_bench.domains.cifar.batches import (
    HUNDRED_CLASSES,
    TEN_CLASSES,
    Cifar,
    Variant,
    class_order,
    read_batch,
    training_files,
)
from ttt_bench.domains.cifar.corrupted import LABELS, CifarC, rows_of_severity
from ttt_bench.domains.cifar.family import HUNDRED, KINDS, SEVERITIES, TEN
from ttt_bench.domains.disk.checking import Checklist, Problem
from ttt_bench.domains.pixels.opening import exists
from ttt_bench.errors import UserError

OFFICIAL = {"train": 50_000, "test": 10_000}
T = TypeVar("T")


def _tried(read: Callable[[], T], problems: list[Problem]) -> T | None:
    try:
        return read()
    except UserError as error:
        problems.append(Problem.of(error))
        return None


def cifar10(root: Path) -> Checklist:
    """Every batch of CIFAR-10."""
    return _batches(root, TEN_CLASSES)


def cifar100(root: Path) -> Checklist:
    """Every file of CIFAR-100."""
    return _batches(root, HUNDRED_CLASSES)


def _batches(root: Path, variant: Variant) -> Checklist:
    problems: list[Problem] = []
    notes: list[str] = []
    order = _tried(lambda: class_order(root, variant), problems)
    if not exists(root / variant.meta):
        notes.append(f"{variant.meta} is not there: the usual order of the classes is taken")
    elif order is not None and (order[1:] < order[:-1]).any():
        notes.append(f"{variant.meta} has the classes in another order; labels are read by its names")
    train = _tried(lambda: training_files(root, variant), problems) or []
    counts = {"train": 0, "test": 0}
    if order is not None:  # else every batch would say the same
        for split, paths in (("train", train), ("test", [root / variant.test])):
            for path in paths:
                batch = _tried(partial(read_batch, path, variant), problems)
                counts[split] += len(batch.labels) if batch else 0
    if counts != OFFICIAL:
        notes.append("a part of the data set: the whole has 50000 training and 10000 test images")
    opens = (partial(Cifar, variant, root),)
    return Checklist((), (), opens=opens, problems=tuple(problems), notes=tuple(notes), counts=counts)


def cifar10c(root: Path) -> Checklist:
    """Every kind of CIFAR-10-C."""
    return _corrupted(root, TEN)


def cifar100c(root: Path) -> Checklist:
    """Every kind of CIFAR-100-C."""
    return _corrupted(root, HUNDRED)


def _corrupted(root: Path, names: tuple[str, ...]) -> Checklist:
    problems: list[Problem] = []
    found = {}
    for kind in KINDS:
        path = root / f"{kind}.npy"
        if exists(path):
            found[kind] = _tried(partial(rows_of_severity, path, root / LABELS, len(names)), problems)
    counts = sorted({count for count in found.values() if count})
    absent = [kind for kind in KINDS if kind not in found]
    notes = [f"{len(found)} of {len(KINDS)} kinds, {len(SEVERITIES)} severities each"]
    if absent:
        notes.append(f"not there: {', '.join(absent)}")
    if len(counts) > 1:
        problems.append(Problem("wrong size", f"{root}: kinds have {' and '.join(map(str, counts))} images a severity"))
    elif counts and counts[0] != OFFICIAL["test"]:
        notes.append(f"a part of the data set: {counts[0]} images a severity, the whole has 10000")
    shown = {"test": counts[0]} if counts else {}
    sound = next((kind for kind, count in found.items() if count), None)  # the labels are the same for all
    opens = (partial(CifarC, "cifar-c", names, f"{sound}-1", root),) if sound else ()
    return Checklist((), (), opens=opens, problems=tuple(dict.fromkeys(problems)), notes=tuple(notes), counts=shown)


def cifar101(root: Path) -> Checklist:
    """Both arrays of CIFAR-10.1."""
    problems: list[Problem] = []
    domain = _tried(lambda: Cifar101(root, (32, 32)), problems)
    note = f"read from {files(root)[0].name}"
    return Checklist(
        (), (), opens=(partial(Cifar101, root),), problems=tuple(problems), notes=(note,),
        counts={"test": domain.length("test")} if domain else {},
    )  # fmt: skip
