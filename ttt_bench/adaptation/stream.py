"""How target data arrives, and who may see what: methods get images, only the evaluator has labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.domains.loading import Batch, SampleSet
from ttt_bench.network.network import Predictions
from ttt_bench.tasks.measure import measure


@dataclass(frozen=True)
class TargetStream:
    """The target images in the order in which they arrive, in batches; the last one may be smaller."""

    images: Sequence[Tensor]
    """Normalised (B, 3, H, W) tensors."""

    def __len__(self) -> int:
        return len(self.images)


class Evaluator:
    """Holds the labels of the stream and turns predictions into sufficient statistics."""

    def __init__(self, labels: Sequence[dict[str, Tensor]]) -> None:
        self._labels = labels

    def score(self, batch: int, predictions: Predictions) -> dict[str, npt.NDArray[np.float64]]:
        """Statistics of ``predictions`` for batch ``batch``, by ``task/statistic``."""
        result = {}
        for task, prediction in predictions.items():
            for name, value in measure(task, prediction, self._labels[batch][task]).items():
                result[name] = value.double().cpu().numpy()
        return result

    def truth(self, batch: int) -> dict[str, Tensor]:
        """Labels of batch ``batch``, for the picture sheet."""
        return self._labels[batch]


def open_stream(
    samples: SampleSet, batch_size: int, seed: int, device: torch.device | str = "cpu"
) -> tuple[TargetStream, Evaluator]:
    """Shuffle ``samples`` by ``seed`` and split them into what methods see and what only scoring sees.

    The order is part of the seed, so `single`, which adapts on the first batch only, meets another one per seed.
    """
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed)).tolist()
    batches: list[Batch] = [
        samples.batch(order[first : first + batch_size]).to(device) for first in range(0, len(order), batch_size)
    ]
    return TargetStream([b.images for b in batches]), Evaluator([b.labels for b in batches])
