"""What a run of a method leaves behind, to be compared bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ttt_bench.adaptation.protocols import run_protocol
from ttt_bench.adaptation.recording import Recording
from ttt_bench.adaptation.stream import open_stream
from ttt_bench.audit.toy import Toy, ToySamples

SIZE = (64, 64)
"""Of the images."""
STEPS = 3
"""Updates that a check makes."""


@dataclass(frozen=True)
class Trace:
    """All that a run leaves behind, to be compared bit for bit."""

    digest: str
    recording: Recording

    def differs(self, other: Trace) -> str:
        """What is not the same, for people; empty when nothing differs."""
        if self.digest != other.digest:
            return "the weights"
        mine, yours = self.recording, other.recording
        if not np.array_equal(mine.loss, yours.loss, equal_nan=True):
            return "the losses"
        if mine.last is None or yours.last is None or mine.last[1].keys() != yours.last[1].keys():
            return "the predictions"
        if not all(torch.equal(value, yours.last[1][task]) for task, value in mine.last[1].items()):
            return "the predictions"
        names = mine.statistics.keys() | yours.statistics.keys()
        same = all(
            np.array_equal(mine.statistics[n], yours.statistics[n], equal_nan=True)
            for n in names & mine.statistics.keys() & yours.statistics.keys()
        )
        return "" if same and mine.statistics.keys() == yours.statistics.keys() else "the statistics"


def trace(toy: Toy, seed: int = 0, images: int = 0, labels: int = 0, scored: bool = True) -> Trace:
    """Adapt over two batches that arrive as a cell's do, the last one smaller.

    Args:
        toy: what to run.
        seed: of the run.
        images: seed of the images.
        labels: seed of the labels.
        scored: whether the labels are the same for every call of that seed; False compares what no label touches.
    """
    stream, evaluator = open_stream(ToySamples(toy.tasks, 6, SIZE, images, labels), 4, seed)
    adapter = toy.adapter(seed)
    recording = run_protocol("online", adapter, stream, evaluator, 2, (0, 2))
    return Trace(adapter.digest(), recording if scored else replace(recording, statistics={}))
