"""How target data arrives, and who may see what: methods get images, only the evaluator has labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.domains.loading import Batch, SampleSet
from ttt_bench.identity import identity
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
    samples: SampleSet,
    batch_size: int,
    seed: int,
    device: torch.device | str = "cpu",
    input_noise: float = 0.0,
    arrival: str = "seed",
) -> tuple[TargetStream, Evaluator]:
    """Shuffle ``samples`` by ``seed`` and split them into what methods see and what only scoring sees.

    The order is part of the seed, so `single`, which adapts on the first batch only, meets another one per seed.

    Args:
        samples: the target images with their labels.
        batch_size: images per batch; the last one may be smaller.
        seed: decides the order, nothing else.
        device: where the batches go.
        input_noise: scale of the Gaussian noise added to the images: see ``add_noise``.
        arrival: ``seed``: shuffled; ``files``: in the order of the set, as the S4T release has it.
    """
    order = list(range(len(samples)))
    if arrival != "files":
        order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed)).tolist()
    places = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    batches: list[Batch] = [samples.batch(place) for place in places]
    if input_noise:
        noisy = add_noise([batch.images for batch in batches], places, input_noise, noise_seed(samples))
        batches = [replace(batch, images=images) for batch, images in zip(batches, noisy, strict=True)]
    batches = [batch.to(device) for batch in batches]
    return TargetStream([b.images for b in batches]), Evaluator([b.labels for b in batches])


def noise_seed(samples: SampleSet) -> int:
    """One seed per image set, so that every method, option and run seed meets the same noise on the same image."""
    return int(identity({"kind": "input noise", "images": samples.domain.fingerprint(), "split": samples.split}), 16)


def add_noise(images: Sequence[Tensor], places: Sequence[Sequence[int]], scale: float, seed: int) -> list[Tensor]:
    """x' = x + scale * sigma * n with n ~ N(0, 1) per element (S4T appendix C, Table 5).

    sigma is the standard deviation of all elements of all ``images``, which are normalised. n is drawn on the
    CPU from ``seed`` and the image's place in the set, so neither order, batching nor scale changes it.

    Args:
        images: (B, 3, H, W) batches on the CPU; not changed.
        places: the place in the set of every image of every batch.
        scale: in standard deviations.
        seed: of the image set, below 2^64.
    """
    sums = {
        place: torch.stack([image.double().sum(), image.double().square().sum()])
        for batch, indices in zip(images, places, strict=True)
        for image, place in zip(batch, indices, strict=True)
    }
    # Summed in the order of the set: the same sigma to the last bit whatever the order of the stream.
    total, squares = torch.stack([sums[place] for place in sorted(sums)]).sum(dim=0)
    count = sum(batch.numel() for batch in images)
    sigma = (squares / count - (total / count) ** 2).clamp(min=0).sqrt().float()
    noisy = []
    for batch, indices in zip(images, places, strict=True):
        noise = [
            torch.randn(image.shape, generator=torch.Generator().manual_seed((seed + place) % 2**63))
            for image, place in zip(batch, indices, strict=True)
        ]
        noisy.append(batch + scale * sigma * torch.stack(noise))
    return noisy
