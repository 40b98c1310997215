"""Random images and labels, and models briefly fitted on them: what the inspectors (audit, bench) work on."""

from __future__ import annotations

import torch
from torch import Tensor

from ttt_bench.adaptation.optimizers import build_optimizer
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Method, Model, SourceBatch
from ttt_bench.networks.contract import Network
from ttt_bench.source.loop import step
from ttt_bench.source.training import build_auxiliary
from ttt_bench.tasks import get_task

CLASSES = 5


def fitted_model(method: Method, network: Network, size: tuple[int, int], batch: int = 4, iterations: int = 3) -> Model:
    """``network`` (frozen here) with ``method``'s auxiliary part, fitted for a few iterations on random data.

    Args:
        method: the plug-in.
        network: any weights; heads of classes have ``CLASSES`` channels or more.
        size: (H, W) of the random images.
        batch: images per iteration.
        iterations: how long to fit; enough to be usable, not to be good.
    """
    network.requires_grad_(False).eval()
    model = Model(network, build_auxiliary(method, network, seed=0))
    if method.branch != "none":
        _fit(method, model, size, batch, iterations)
    if method.statistics:
        with torch.no_grad():
            batches = (random_images(8, size, seed) for seed in range(4))
            method.source_statistics(model.eval(), batches, torch.Generator().manual_seed(0))
    return model.eval()


def _fit(method: Method, model: Model, size: tuple[int, int], batch: int, iterations: int) -> None:
    settings = method.source_optimizer or OptimizerSpec("adam", lr=1e-3)
    optimizer = build_optimizer(settings, model.aux.parameters())
    model.aux.train()
    for seed in range(iterations):
        images = random_images(batch, size, 100 + seed)
        with torch.no_grad():
            features = model.network.features(images)
            predictions = model.network.predict(features, size)
        labelled = SourceBatch(images, random_labels(model.network.tasks, batch, size, seed), features, predictions)
        rng = torch.Generator().manual_seed(seed)
        step(optimizer, lambda batch=labelled, rng=rng: method.source_loss(model, batch, rng))  # type: ignore[misc]


def random_images(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Normalised images of random blobs, (count, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
    return smooth + 0.1 * torch.randn(count, 3, *size, generator=generator)


def random_labels(tasks: tuple[str, ...], count: int, size: tuple[int, int], seed: int) -> dict[str, Tensor]:
    """Labels of every task in the project's conventions, partly without a label."""
    generator = torch.Generator().manual_seed(seed)
    return {task: get_task(task).made_up(count, size, CLASSES, generator) for task in tasks}
