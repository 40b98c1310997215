"""From what work needs to samples in memory, opened once per process. Loads torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ttt_bench.domains.contract import Domain
from ttt_bench.samples.joined import JoinedSamples, Samples
from ttt_bench.samples.loading import SampleSet
from ttt_bench.samples.need import DataNeed


def open_samples(need: DataNeed, roots: Mapping[str, Path], cache: Path | None) -> SampleSet:
    """The samples of ``need``.

    Args:
        need: which.
        roots: folders of data sets, by name.
        cache: where decoded samples are kept; None: decoded at every access.
    """
    return _open(need, need.open(roots), cache)


def open_target(needs: Sequence[DataNeed], roots: Mapping[str, Path], cache: Path | None) -> Samples:
    """The samples of a target: of its parts, one after the other."""
    parts = [open_samples(need, roots, cache) for need in needs]
    return parts[0] if len(parts) == 1 else JoinedSamples(parts)


@lru_cache(maxsize=16)
def _open(need: DataNeed, domain: Domain, cache: Path | None) -> SampleSet:
    return SampleSet(domain, need.split, need.count, need.classes, cache, tasks=need.tasks, scaling=need.scaling)
