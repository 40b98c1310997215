"""From a domain's split to torch batches, for training and for test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ttt_bench.domains.contract import SPLITS, Domain, Split
from ttt_bench.domains.normalisation import MEAN, SCALINGS, STD
from ttt_bench.domains.pairs import class_table
from ttt_bench.domains.pixels.planes import Pinhole
from ttt_bench.errors import UserError, did_you_mean
from ttt_bench.samples.augmentation import AUGMENTATIONS, augment_images_and_labels
from ttt_bench.samples.cache import Progress, SampleCache
from ttt_bench.samples.fields import pack
from ttt_bench.tasks import get_task, of_kind

__all__ = ["MEAN", "STD", "Batch", "SampleSet", "augment", "denormalise", "normalise"]


@dataclass(frozen=True)
class Batch:
    """Images with the labels of some tasks; 255 marks an invalid pixel in every map."""

    images: Tensor
    """(B, 3, H, W) float32, normalised by ``MEAN`` and ``STD`` (or another of ``SCALINGS``)."""
    labels: dict[str, Tensor]
    """By task, (B, *its label's shape): ids of classes int64, everything else float32."""

    def __len__(self) -> int:
        return self.images.shape[0]

    def pinned(self) -> Batch:
        """The same batch in page-locked memory, from which a GPU fetches without waiting."""
        return Batch(self.images.pin_memory(), {task: label.pin_memory() for task, label in self.labels.items()})

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``."""
        return Batch(
            self.images.to(device, non_blocking=True),
            {task: label.to(device, non_blocking=True) for task, label in self.labels.items()},
        )


class SampleSet:
    """The first ``count`` samples of a split as batches with the class ids of a pair.

    Args:
        domain: where they come from.
        split: train, val or test.
        count: how many.
        classes: the pair's class names, position = class id; None = the domain's own.
        cache_dir: where decoded samples are kept; None decodes anew at every access.
        tasks: labels to hand out; None = all of the domain.
        scaling: of the pixels, one of ``SCALINGS``.

    Raises:
        UserError: the split or the scaling is unknown, or the split has fewer samples.
    """

    def __init__(
        self,
        domain: Domain,
        split: Split | str,
        count: int,
        classes: Sequence[str] | None = None,
        cache_dir: Path | None = None,
        tasks: tuple[str, ...] | None = None,
        scaling: str = "imagenet",
    ) -> None:
        if scaling not in SCALINGS:
            raise UserError(f"Unknown scaling {scaling!r}.", did_you_mean(scaling, SCALINGS))
        self.scaling = scaling
        chosen = next((s for s in SPLITS if s == split), None)
        if chosen is None:
            raise UserError(f"Unknown split {split!r}.", did_you_mean(split, SPLITS))
        if not 1 <= count <= domain.length(chosen):
            raise UserError(
                f"{domain.name} has {domain.length(chosen)} {split} samples; {count} were asked for.",
                "Ask for at least one and at most as many as there are.",
            )
        self.domain, self.split, self.tasks = domain, chosen, domain.tasks if tasks is None else tasks
        self._count = count
        own = domain.classes
        wanted = own if classes is None else tuple(classes)
        self._ids = {
            task: torch.from_numpy(class_table(own, wanted, get_task(task).ignore))
            for task in of_kind(self.tasks, "classes")
        }
        self._cache = None if cache_dir is None else SampleCache(domain, chosen, count, cache_dir)
        self._arrays: dict[str, npt.NDArray[Any]] | None = None

    def __len__(self) -> int:
        return self._count

    @property
    def camera(self) -> Pinhole | None:
        """Intrinsics of the images, where the domain knows them."""
        return self.domain.camera()

    @property
    def cached(self) -> bool:
        """Whether the decoded samples are on disk (or no cache is wanted)."""
        return self._arrays is not None or self._cache is None or self._cache.complete

    @property
    def nbytes(self) -> int:
        """Bytes that the cache takes on disk; 0 without one."""
        return 0 if self._cache is None else self._cache.nbytes

    def build(self, progress: Progress | None = None, workers: int | None = None) -> None:
        """Decode everything into the cache, unless that has been done.

        Args:
            progress: called with (done, total).
            workers: processes; None = two where there are two processors.

        Raises:
            UserError: the disk is full or a file of the domain is unreadable.
        """
        if self._cache is not None:
            self._cache.build(progress, workers)

    def batch(self, indices: Iterable[int]) -> Batch:
        """The samples at ``indices``, in that order; builds the cache first when it is missing.

        Raises:
            IndexError: an index is outside the set.
        """
        wanted = [int(i) for i in indices]
        for index in wanted:
            if not 0 <= index < self._count:
                raise IndexError(f"Sample {index} of a set of {self._count}.")
        raw = self._read(wanted, ("image", *self.tasks))
        labels = {task: self._label(task, raw[task]) for task in self.tasks}
        return Batch(normalise(torch.from_numpy(raw["image"]), self.scaling), labels)

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples in order, ``size`` at a time; the last batch may be smaller."""
        for first in range(0, len(self), size):
            yield self.batch(range(first, min(first + size, len(self))))

    def labels(self, task: str) -> Tensor:
        """The label of ``task`` of every sample, (samples, *its label's shape); no image is read from a cache."""
        return self._label(task, self._read(list(range(self._count)), (task,))[task])

    def _read(self, indices: list[int], names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        if self._cache is None:
            packed = [pack(self.domain.sample(self.split, i), self.domain) for i in indices]
            return {name: np.stack([p[name] for p in packed]) for name in names}
        if self._arrays is None:
            self.build()
            self._arrays = self._cache.open()
        return {name: np.asarray(self._arrays[name][indices]) for name in names}

    def _label(self, task: str, values: npt.NDArray[Any]) -> Tensor:
        label = torch.from_numpy(values)
        return self._ids[task][label.long()] if task in self._ids else label.float()


def normalise(images: Tensor, scaling: str = "imagenet") -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32, by default the one input normalisation of all domains."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in SCALINGS[scaling])
    return (images.permute(0, 3, 1, 2).float().div_(255).sub_(mean).div_(std)).contiguous()


def denormalise(images: Tensor, scaling: str = "imagenet") -> Tensor:
    """(B, 3, H, W) normalised -> the same shape in 0..1."""
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in SCALINGS[scaling])
    return images * std + mean


def augment(batch: Batch, recipe: str, generator: torch.Generator, scaling: str = "imagenet") -> Batch:
    """A randomly changed copy of ``batch`` for training.

    Args:
        batch: what to change.
        recipe: ``none``; ``light``: flip and mild colour jitter; ``paper``: flip, scale and crop, strong jitter.
        generator: a CPU generator, the only source of randomness.
        scaling: of the pixels of ``batch``.

    Raises:
        UserError: there is no such recipe.
    """
    if recipe not in AUGMENTATIONS:
        raise UserError(f"Unknown augmentation {recipe!r}.", did_you_mean(recipe, AUGMENTATIONS))
    if recipe == "none":
        return batch
    images, labels = augment_images_and_labels(
        denormalise(batch.images, scaling), batch.labels, AUGMENTATIONS[recipe], generator
    )
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in SCALINGS[scaling])
    inside = images > -0.5  # scaling down leaves a border that is marked by -1 and becomes 0, as in the paper
    return Batch(torch.where(inside, (images - mean) / std, 0.0), labels)
