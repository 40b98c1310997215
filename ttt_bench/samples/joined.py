"""The samples of several domains as one numbered set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import torch

from ttt_bench.domains.joined import Joined
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.samples.loading import Batch, SampleSet


class JoinedSamples:
    """Sample sets one after the other, read as one; they hand out the same tasks, classes and pixels."""

    def __init__(self, parts: Sequence[SampleSet]) -> None:
        self.parts = tuple(parts)
        self.domain = Joined([part.domain for part in parts])
        self.split = parts[0].split
        self.tasks = parts[0].tasks
        self.starts = [0, *accumulate(len(part) for part in parts)]
        """First number of each part, and the number of all."""

    def __len__(self) -> int:
        return self.starts[-1]

    @property
    def camera(self) -> Pinhole | None:
        """Intrinsics of the images, where all parts have the same."""
        cameras = {part.camera for part in self.parts}
        return cameras.pop() if len(cameras) == 1 else None

    def batch(self, indices: Iterable[int]) -> Batch:
        """The samples at ``indices``, in that order.

        Raises:
            IndexError: an index is outside the set.
        """
        wanted = [int(i) for i in indices]
        batches, places = [], []
        for start, part in zip(self.starts, self.parts, strict=False):
            own = [place for place, index in enumerate(wanted) if start <= index < start + len(part)]
            if own:
                batches.append(part.batch(wanted[place] - start for place in own))
                places += own
        if len(places) < len(wanted):
            raise IndexError(f"Samples {wanted} of a set of {len(self)}.")
        if len(batches) == 1:
            return batches[0]
        back = torch.tensor(places).argsort()
        return Batch(
            torch.cat([batch.images for batch in batches])[back],
            {task: torch.cat([batch.labels[task] for batch in batches])[back] for task in batches[0].labels},
        )


Samples = SampleSet | JoinedSamples
"""What a stream is made of."""
