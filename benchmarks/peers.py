"""Our updates beside those of the other library of test-time training: same network, same batch, same method.

    uv run --group peers python benchmarks/peers.py [--network resnet50|resnet10] [--repeats 5] [--channels-last]

The peer is torch-ttt (PyPI), through its public engines on torchvision's ResNet; ours is the class track's network with
the same weights. It has four methods that we have too (TENT, ActMAD, TTT, TTT++), and Adam alone: both move by Adam.
Ours is set to what the peer computes, as far as options allow. First both must agree on the loss where definitions do
(at the same weights and, where nothing is drawn, after two updates); then rounds alternate between the two, on one
thread, and medians are printed. docs/costs.md has the table, and says which other packages could not be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch_ttt.engine.actmad_engine import ActMADEngine
from torch_ttt.engine.base_engine import BaseEngine
from torch_ttt.engine.tent_engine import TentEngine
from torch_ttt.engine.ttt_engine import TTTEngine
from torch_ttt.engine.ttt_pp_engine import TTTPPEngine
from torch_ttt.loss.contrastive_loss import ContrastiveLoss
from torchvision.models.resnet import BasicBlock, ResNet

from methods.ttt import all_rotations, rotation_loss
from methods.tttpp import nt_xent
from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.machine import reuse_freed_memory
from ttt_bench.method import registry
from ttt_bench.method.card import OptimizerSpec
from ttt_bench.method.contract import Model
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.contract import Network
from ttt_bench.source.training import build_auxiliary
from ttt_bench.synthetic import random_images

CLASSES, BATCH, SOURCE_IMAGES = 10, 8, 32
SIZES = {"resnet50": 256, "resnet10": 64}
LR = 1e-5
"""Small, so that rounding does not grow into other losses within two updates."""
TOLERANCE = 1e-3
"""Relative, of losses: the two sides sum in other orders."""


@dataclass(frozen=True)
class World:
    """What both sides are given."""

    network: Network
    images: Tensor
    source: Tensor
    layout: torch.memory_format

    def theirs(self) -> ResNet:
        """torchvision's network with our weights."""
        name = self.network.config.backbone
        made = ResNet(BasicBlock, [1, 1, 1, 1]) if name == "resnet10" else getattr(torchvision.models, name)()
        made.fc = nn.Linear(made.fc.in_features, CLASSES)
        made.load_state_dict(self.network.encoder.state_dict(), strict=False)
        made.fc.load_state_dict(self.network.heads["class"].linear.state_dict())
        return made.to(memory_format=self.layout)

    def ours(self, name: str, **options: Any) -> Adapter:
        """Our method on our network, moved by Adam."""
        method = registry.create(name, options, tasks=("class",))
        network = copy.deepcopy(self.network).requires_grad_(False).eval()
        model = Model(network, build_auxiliary(method, network, seed=0)).eval()
        if method.statistics:
            batches = [self.source] if name == "actmad" else self.source.split(BATCH)
            with torch.no_grad():
                method.source_statistics(model, batches, torch.Generator().manual_seed(0))
        return Adapter(model, method, OptimizerSpec("adam", lr=LR))


@dataclass(frozen=True)
class Duel:
    """One method on both sides: each call makes an update and returns the loss before it."""

    method: str
    ours: Callable[[], float]
    theirs: Callable[[], float]
    agree: Callable[[], list[tuple[float, float]]]
    """Losses that must be equal, ours and theirs; the updates that it makes count as the warm-up."""
    remark: str


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=SIZES, default="resnet50")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true", help="the peer's network too, which ours is anyway")
    options = parser.parse_args()
    torch.set_num_threads(1)
    reuse_freed_memory()
    world = make_world(options.network, options.channels_last)
    print("| method | ours (s / update) | torch-ttt (s / update) | torch-ttt / ours | remark |")
    print("|:--|--:|--:|--:|:--|")
    for duel in (tent(world), actmad(world), ttt(world), tttpp(world)):
        pairs = duel.agree()
        for ours, theirs in pairs:
            if abs(ours - theirs) > TOLERANCE * abs(theirs):
                raise SystemExit(f"{duel.method}: our loss is {ours:.6g}, torch-ttt's {theirs:.6g}")
        ours, theirs = alternate(duel, options.repeats)
        print(f"| {duel.method} | {ours:.3f} | {theirs:.3f} | {theirs / ours:.2f} | {duel.remark} |", flush=True)


def make_world(backbone: str, channels_last: bool) -> World:
    """Random weights, random images, the same for both."""
    torch.manual_seed(0)
    side = SIZES[backbone]
    network = make_network(NetworkConfig(backbone, "linear"), {"class": CLASSES}, ("class",))
    source = random_images(SOURCE_IMAGES, (side, side), 1)
    # Running statistics as a trained network has them: those of its images. Else activations grow from layer to layer.
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(source[:BATCH])
    for norm in norms:
        norm.momentum = 0.1
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return World(network.eval(), random_images(BATCH, (side, side), 0), source, layout)


def alternate(duel: Duel, repeats: int) -> tuple[float, float]:
    """Median seconds of either side; who begins changes from round to round."""
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    sides = [("ours", duel.ours), ("theirs", duel.theirs)]
    for _, run in sides:
        run()
    for _ in range(repeats):
        for name, run in sides:
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
        sides.reverse()
    return statistics.median(seconds["ours"]), statistics.median(seconds["theirs"])


def updates(adapter: Adapter, images: Tensor) -> Callable[[], float]:
    """Our side."""

    def run() -> float:
        loss = adapter.update(images)
        assert loss is not None
        return float(loss)

    return run


def engine_updates(engine: BaseEngine, images: Tensor) -> Callable[[], float]:
    """Their side: one turn of the loop in their ``forward``, without its copy of the model and its last forward."""
    optimizer = torch.optim.Adam((p for p in engine.model.parameters() if p.requires_grad), lr=LR)

    def run() -> float:
        with silence():
            optimizer.zero_grad()
            _, loss = engine.ttt_forward(images)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return run


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Their ActMAD prints a line for each layer of each update."""
    with open(os.devnull, "w", encoding="utf-8") as nothing, contextlib.redirect_stdout(nothing):  # noqa: PTH123
        yield


def tent(world: World) -> Duel:
    """Entropy of the predicted classes."""
    engine = TentEngine(world.theirs())  # left in train mode, as it is made: with batch statistics
    ours, theirs = updates(world.ours("tent"), world.images), engine_updates(engine, world.images)
    remark = "same loss, also after two updates; theirs kept in train mode (after `eval()` it is not TENT)"
    return Duel("TENT", ours, theirs, lambda: [(ours(), theirs()) for _ in range(3)], remark)


def actmad(world: World) -> Duel:
    """Moments at every batch norm."""
    network = world.theirs()
    names = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    engine = ActMADEngine(network, names)
    with silence():
        engine.compute_statistics([(world.source,)])
    engine.eval()
    adapter = world.ours("actmad", hook="post", loss_scale=1.0)
    ours, theirs = updates(adapter, world.images), engine_updates(engine, world.images)
    remark = "same loss, also after two updates (hook=post, loss_scale=1)"
    return Duel("ActMAD", ours, theirs, lambda: [(ours(), theirs()) for _ in range(3)], remark)


def ttt(world: World) -> Duel:
    """Rotations, read by a copy of the last stage."""
    adapter = world.ours("ttt", views=4, crop=1.0, padding=0, update_head=False, train_mode=False)
    head = copy.deepcopy(adapter.model.aux)
    engine = TTTEngine(world.theirs(), "layer3", angle_head=Single(head).requires_grad_(False))
    engine.eval()

    def agree() -> list[tuple[float, float]]:
        views, labels = all_rotations(world.images)
        with torch.no_grad():
            levels = adapter.model.network.features(views, len(adapter.model.network.channels) - 1)
            return [
                (float(rotation_loss(adapter.model.aux(levels), labels)), float(engine.ttt_forward(world.images)[1]))
            ]

    remark = "same loss on the same views (head=stage, views=4, crop=1); theirs also forwards the batch as it is"
    return Duel("TTT", updates(adapter, world.images), engine_updates(engine, world.images), agree, remark)


class Single(nn.Module):
    """Our head for one map."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, level: Tensor) -> Tensor:
        """(N, C, h, w) -> logits (N, 4)."""
        logits: Tensor = self.head([level])
        return logits


def tttpp(world: World) -> Duel:
    """Contrastive loss and alignment."""
    side = world.images.shape[-1]
    adapter = world.ours("tttpp", queue=0, view_size=side)
    engine = TTTPPEngine(world.theirs(), "fc", contrastive_criterion=ContrastiveLoss(temperature=0.5))
    engine.compute_statistics([(images,) for images in world.source.split(BATCH)])
    engine.contrastive_head.requires_grad_(False)
    engine.eval()

    def agree() -> list[tuple[float, float]]:
        drawn = torch.randn(BATCH, 2, 128, generator=torch.Generator().manual_seed(0))
        pairs = nn.functional.normalize(drawn, dim=2)
        return [(float(nt_xent(pairs, 0.5)), float(ContrastiveLoss(temperature=0.5)(pairs)))]

    remark = "definitions differ, same contrastive loss on the same features; 4 passes against their 3"
    return Duel("TTT++", updates(adapter, world.images), engine_updates(engine, world.images), agree, remark)


if __name__ == "__main__":
    main()
