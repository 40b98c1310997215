"""A small model with a fitted auxiliary part, for checking a plug-in."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.samples.loading import Batch, SampleSet
from ttt_bench.synthetic import CLASSES, fitted_model, random_images, random_labels
from ttt_bench.tasks import TASKS, track_tasks


@dataclass(frozen=True)
class Toy:
    """What the checks work on."""

    method: Method
    model: Model
    tasks: tuple[str, ...]

    def adapter(self, seed: int = 0) -> Adapter:
        """A fresh adapter on a copy of the model, under the method's native recipe."""
        return Adapter(copy.deepcopy(self.model), self.method, self.method.native_on(self.tasks), seed)


def make_toy(method: Method, tasks: tuple[str, ...] | None = None, size: tuple[int, int] = (64, 64)) -> Toy:
    """A ResNet-10 with random weights whose branch for ``method`` was fitted for a few iterations."""
    tasks = track_tasks("dense") if tasks is None else tasks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(
            NetworkConfig("resnet10", "linear"), {name: TASKS[name].outputs(CLASSES) for name in tasks}
        )
    return Toy(method, fitted_model(method, network, size), tasks)


class ToySamples(SampleSet):
    """Images and labels made up in memory, for the stream that cells use."""

    def __init__(self, tasks: tuple[str, ...], count: int, size: tuple[int, int], images: int, labels: int) -> None:
        """Draw ``count`` images of ``size`` by the seed ``images``, and their labels by the seed ``labels``."""
        self.scaling = "imagenet"
        self._images = random_images(count, size, images)
        self._labels = random_labels(tasks, count, size, labels)

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Iterable[int]) -> Batch:
        """The samples at ``indices``, copied: what is done to them ends with the batch."""
        chosen = list(indices)
        return Batch(self._images[chosen], {task: label[chosen] for task, label in self._labels.items()})
