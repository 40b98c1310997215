"""In which order the target's images arrive, and which of them share a batch, for every kind of stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ttt_bench.domains.streams import STREAMS
from ttt_bench.samples.joined import JoinedSamples, Samples
from ttt_bench.samples.loading import SampleSet
from ttt_bench.tasks import of_kind, only_images

CONCENTRATION = 0.1
"""Of the Dirichlet distribution of classes over the slots of a correlated stream (Gong et al. 2022, NOTE)."""

Batches = list[list[int]]
"""Numbers of samples, batch by batch."""


def batches_of(samples: Samples, batch_size: int, seed: int, stream: str = "iid") -> Batches:
    """Which samples arrive in which batch.

    Every sample arrives once; the last batch of a stream, or of each of its segments, may be smaller. The order is
    part of the seed wherever it is not that of files.

    Args:
        samples: the target.
        batch_size: images per batch.
        seed: decides the order, nothing else.
        stream: one of ``domains.streams.STREAMS``.
    """
    if stream == "correlated":
        assert isinstance(samples, SampleSet)
        return cut(correlated(samples, batch_size, seed), batch_size)
    if STREAMS[stream].segments:
        parts = samples.parts if isinstance(samples, JoinedSamples) else (samples,)
        starts = samples.starts if isinstance(samples, JoinedSamples) else [0]
        # Each segment arrives as it would alone, so its scores may be compared with those of that pair.
        return [
            [start + index for index in batch]
            for start, part in zip(starts, parts, strict=False)
            for batch in cut(shuffled(len(part), seed), batch_size)
        ]
    return cut(shuffled(len(samples), seed), batch_size)


def cut(order: Sequence[int], batch_size: int) -> Batches:
    """``order`` in batches; the last one may be smaller."""
    return [list(order[first : first + batch_size]) for first in range(0, len(order), batch_size)]


def shuffled(count: int, seed: int) -> list[int]:
    """0..count-1 in the order of ``seed``."""
    order: list[int] = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    return order


def correlated(samples: SampleSet, batch_size: int, seed: int) -> list[int]:
    """An order in which neighbours are alike.

    With one label per image: classes in bursts, by a Dirichlet distribution. Otherwise scene after scene, as the
    domain names scenes, the scenes in the order of ``seed``; where it names none, its own order, which is that of
    files by name.
    """
    classes = of_kind(samples.tasks, "classes")
    if classes and only_images(samples.tasks):
        labels = samples.labels(classes[0]).numpy()
        return in_bursts(labels, -(-len(samples) // batch_size), np.random.default_rng(seed))
    scenes = [samples.domain.scene(samples.split, index) for index in range(len(samples))]
    names = sorted(set(scenes))
    rank = dict(zip(names, shuffled(len(names), seed), strict=True))
    return sorted(range(len(samples)), key=lambda index: rank[scenes[index]])


def in_bursts(labels: np.ndarray[tuple[int], np.dtype[np.int64]], slots: int, rng: np.random.Generator) -> list[int]:
    """An order in which each class arrives in few of ``slots`` slots (Gong et al. 2022, NOTE, appendix).

    Args:
        labels: (samples,) class of each.
        slots: about as many as batches.
        rng: the source of every draw.
    """
    found: list[list[int]] = [[] for _ in range(slots)]
    for label in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(slots, CONCENTRATION))
        ends = np.rint(np.cumsum(shares) * len(own)).astype(int)
        ends[-1] = len(own)
        for slot, piece in enumerate(np.split(own, ends[:-1])):
            found[slot] += piece.tolist()
    return [index for slot in found for index in slot]
