"""How target data arrives, and who may see what: methods get images, only the evaluator has labels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.adaptation.arrival import batches_of, cut
from ttt_bench.networks.contract import Predictions
from ttt_bench.samples.joined import Samples
from ttt_bench.samples.loading import Batch
from ttt_bench.samples.noise import InputNoise, input_noise
from ttt_bench.tasks.measure import Truth, prepare, score

T = TypeVar("T")


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
        self._ready_for = -1
        self._ready: dict[str, Truth] = {}

    def score(self, batch: int, predictions: Predictions) -> dict[str, npt.NDArray[np.float64]]:
        """Statistics of ``predictions`` for batch ``batch``, by ``task/statistic``."""
        result = {}
        for task, prediction in predictions.items():
            for name, value in score(prediction, self._truth(batch, task, prediction.shape[1])).items():
                result[name] = value.cpu().numpy()
        return result

    def _truth(self, batch: int, task: str, channels: int) -> Truth:
        """The label, readied once for all steps that score this batch in a row."""
        if batch != self._ready_for:
            self._ready_for, self._ready = batch, {}
        if task not in self._ready:
            self._ready[task] = prepare(task, self._labels[batch][task], channels)
        return self._ready[task]

    def truth(self, batch: int) -> dict[str, Tensor]:
        """Labels of batch ``batch``, for the picture sheet."""
        return self._labels[batch]


def open_stream(
    samples: Samples,
    batch_size: int,
    seed: int,
    device: torch.device | str = "cpu",
    noise: float = 0.0,
    arrival: str = "seed",
    stream: str = "iid",
) -> tuple[TargetStream, Evaluator]:
    """Put ``samples`` in the order of ``stream`` and split them into what methods see and what only scoring sees.

    The order is part of the seed, so `single`, which adapts on the first batch only, meets another one per seed.
    Batches are read when they are asked for, so a target set may be larger than the memory.

    Args:
        samples: the target images with their labels.
        batch_size: images per batch; the last one may be smaller.
        seed: decides the order, nothing else.
        device: where the batches go.
        noise: scale of the Gaussian noise added to the images: see ``InputNoise``.
        arrival: ``seed``: as ``stream`` says; ``files``: in the order of the set, as the S4T release has it.
        stream: in which kind of stream they arrive: see ``arrival``.
    """
    released = arrival == "files"
    places = cut(range(len(samples)), batch_size) if released else batches_of(samples, batch_size, seed, stream)
    arrivals = Arrivals(samples, places, device, input_noise(samples, noise) if noise else None)
    return TargetStream(Part(arrivals, lambda b: b.images)), Evaluator(Part(arrivals, lambda b: b.labels))


class Arrivals:
    """Batches of a sample set, read when they are asked for; the last two stay at hand.

    On CUDA the next one is read and sent ahead by a thread, from pinned memory, while the device works.
    """

    KEPT = 2

    def __init__(
        self, samples: Samples, places: Sequence[Sequence[int]], device: torch.device | str, noise: InputNoise | None
    ) -> None:
        self._samples, self._places, self._device, self._noise = samples, places, device, noise
        self._kept: OrderedDict[int, Batch] = OrderedDict()
        ahead = torch.device(device).type == "cuda"
        self._reader = ThreadPoolExecutor(1, "read-ahead") if ahead else None
        self._coming: dict[int, Future[Batch]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Batch:
        """Batch ``index``, on the device."""
        if index not in self._kept:
            coming = self._coming.pop(index, None)
            self._kept[index] = (self._read(index) if coming is None else coming.result()).to(self._device)
            self._read_ahead(index + 1)
        self._kept.move_to_end(index)
        while len(self._kept) > self.KEPT:
            self._kept.popitem(last=False)
        return self._kept[index]

    def _read(self, index: int) -> Batch:
        batch = self._samples.batch(self._places[index])
        if self._noise is not None:
            batch = Batch(self._noise.added(batch.images, self._places[index]), batch.labels)
        return batch if self._reader is None else batch.pinned()

    def _read_ahead(self, index: int) -> None:
        if self._reader is not None and index < len(self) and index not in self._kept:
            self._coming = {index: self._reader.submit(self._read, index)}


class Part(Sequence[T], Generic[T]):
    """One side of every batch: its images, or its labels."""

    def __init__(self, arrivals: Arrivals, take: Callable[[Batch], T]) -> None:
        self._arrivals, self._take = arrivals, take

    def __len__(self) -> int:
        return len(self._arrivals)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        wanted = index + len(self) if index < 0 else index
        if not 0 <= wanted < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        return self._take(self._arrivals[wanted])
