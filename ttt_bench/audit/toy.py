"""A small model with a fitted auxiliary part, and random data, for checking a plug-in."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.card import OptimizerSpec
from ttt_bench.method import Method, Model, SourceBatch
from ttt_bench.network.config import NetworkConfig
from ttt_bench.network.network import Network
from ttt_bench.source.training import build_auxiliary
from ttt_bench.tasks.task import IGNORE, TASKS

CLASSES = 5
FIT_ITERATIONS = 3


@dataclass(frozen=True)
class Toy:
    """What the checks work on."""

    method: Method
    model: Model
    tasks: tuple[str, ...]

    def adapter(self, seed: int = 0) -> Adapter:
        """A fresh adapter on a copy of the model, under the method's native recipe."""
        return Adapter(copy.deepcopy(self.model), self.method, self.method.native_recipe(), seed)


def make_toy(method: Method, tasks: tuple[str, ...] = tuple(TASKS), size: tuple[int, int] = (64, 64)) -> Toy:
    """A ResNet-10 with random weights whose branch for ``method`` was fitted for a few iterations."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(
            NetworkConfig("resnet10", "linear"), {name: TASKS[name].outputs(CLASSES) for name in tasks}
        )
    network.requires_grad_(False).eval()
    model = Model(network, build_auxiliary(method, network, seed=0))
    if method.branch != "none":
        _fit(method, model, tasks, size)
    if method.statistics:
        with torch.no_grad():
            batches = (random_images(8, size, seed) for seed in range(4))
            method.source_statistics(model.eval(), batches, torch.Generator().manual_seed(0))
    return Toy(method, model.eval(), tasks)


def _fit(method: Method, model: Model, tasks: tuple[str, ...], size: tuple[int, int]) -> None:
    settings = method.source_optimizer or OptimizerSpec("adam", lr=1e-3)
    optimizer = build_optimizer(settings, model.aux.parameters())
    model.aux.train()
    for seed in range(FIT_ITERATIONS):
        images = random_images(4, size, 100 + seed)
        with torch.no_grad():
            features = model.network.features(images)
            predictions = model.network.predict(features, size)
        batch = SourceBatch(images, random_labels(tasks, 4, size, seed), features, predictions)
        optimizer.zero_grad()
        method.source_loss(model, batch, torch.Generator().manual_seed(seed)).backward()
        optimizer.step()


def random_images(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Normalised images of random blobs, (count, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return smooth + 0.1 * torch.randn(count, 3, *size, generator=generator)


def random_labels(tasks: tuple[str, ...], count: int, size: tuple[int, int], seed: int) -> dict[str, Tensor]:
    """Labels of every task in the project's conventions, with some invalid pixels."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 1, *size)
    invalid = torch.rand(shape, generator=generator) < 0.1
    normal = torch.nn.functional.normalize(torch.randn(count, 3, *size, generator=generator), dim=1)
    labels = {
        "semseg": torch.randint(0, CLASSES, (count, *size), generator=generator).masked_fill(invalid[:, 0], IGNORE),
        "depth": (1 + 4 * torch.rand(shape, generator=generator)).masked_fill(invalid, float(IGNORE)),
        "normal": normal.masked_fill(invalid, float(IGNORE)),
        "edge": (torch.rand(shape, generator=generator) < 0.1).float(),
    }
    return {task: labels[task] for task in tasks}
