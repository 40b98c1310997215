"""A set of samples as work names it. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.contract import Domain

VALIDATION_SAMPLES = 128


@dataclass(frozen=True)
class DataNeed:
    """A decoded set of samples that some work reads."""

    domain: str
    split: str
    count: int
    classes: tuple[str, ...]
    tasks: tuple[str, ...]
    size: tuple[int, int]
    fingerprint: str
    scaling: str = "imagenet"

    def open(self, roots: Mapping[str, Path]) -> Domain:
        """The domain, opened once per process."""
        return open_domain(self.domain, self.size, roots)


def validation_data(need: DataNeed, domain: Domain) -> DataNeed:
    """Held-out images of the source domain whose training images ``need`` names."""
    return replace(need, split="val", count=min(VALIDATION_SAMPLES, domain.length("val")))
