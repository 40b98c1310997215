"""What there is to check in a data set that was recognised: its family's checklist, or every sample as it is read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ttt_bench.domains.contract import SPLITS, Domain, Sample
from ttt_bench.domains.disk.checking import Checklist, Problem, Progress, Report, check
from ttt_bench.domains.disk.layouts import Found, open_found
from ttt_bench.domains.finding import resolve
from ttt_bench.errors import UserError

PROBED_SIZE = (64, 64)
"""At which samples are read when a family names no size of its own."""


def check_found(found: Found, every: int = 1, progress: Progress | None = None) -> Report:
    """Look at everything of a data set once.

    Args:
        found: the data set.
        every: read the content of every so many-th image only.
        progress: told after each image.
    """
    title = f"{found.layout.name} in {found.root}"
    if found.layout.checklist:
        return check(title, checklist_of(found), every, progress)
    return check_by_reading(found, title, every, progress)


def checklist_of(found: Found) -> Checklist:
    """Everything that a data set should have, by its family's own list; touches names only."""
    made: Any = resolve(found.family, found.layout.checklist)
    result: Checklist = made(found.root)
    return result


def check_by_reading(found: Found, title: str, every: int, progress: Progress | None) -> Report:
    """Read samples through the family's own reader: what it refuses is what is wrong."""
    report = Report(title)
    size = found.family.size or PROBED_SIZE
    domains: list[Domain] = []
    for member in found.family.titles() or {"": ""}:
        try:
            domains.append(open_found(found, member, size))
        except UserError as error:
            report.problems.append(Problem.of(error))
    wanted = [(domain, split, i) for domain in domains for split in SPLITS for i in range(domain.length(split))]
    report.counts = dict(Counter(split for _, split, _ in wanted))
    for position, (domain, split, index) in enumerate(wanted):
        if position % every == 0:
            try:
                fault = sample_fault(domain, domain.sample(split, index))
            except UserError as error:
                report.problems.append(Problem.of(error))
            else:
                report.problems += (
                    [Problem("out of range", f"{domain.name}, {split} {index}: {fault}")] if fault else []
                )
        if progress is not None:
            progress(position + 1, len(wanted))
    report.problems = list(dict.fromkeys(report.problems))
    if every > 1:
        report.notes.append(f"only every {every}th image was read")
    return report


def sample_fault(domain: Domain, sample: Sample) -> str:
    """What is wrong with a sample by the contract of domains, in words; empty when nothing is."""
    image = sample.image
    if image.dtype != np.uint8 or image.shape != (*domain.size, 3):
        return f"the image is {image.dtype} of shape {image.shape}, not uint8 of shape {(*domain.size, 3)}"
    if set(sample.labels) != set(domain.tasks):
        return f"there are labels of {', '.join(sorted(sample.labels))}, not of {', '.join(sorted(domain.tasks))}"
    return ""
