"""A small model with a fitted auxiliary part, for checking a plug-in."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.synthetic import CLASSES, fitted_model
from ttt_bench.tasks import TASKS, track_tasks


@dataclass(frozen=True)
class Toy:
    """What the checks work on."""

    method: Method
    model: Model
    tasks: tuple[str, ...]

    def adapter(self, seed: int = 0) -> Adapter:
        """A fresh adapter on a copy of the model, under the method's native recipe."""
        return Adapter(copy.deepcopy(self.model), self.method, self.method.native, seed)


def make_toy(method: Method, tasks: tuple[str, ...] | None = None, size: tuple[int, int] = (64, 64)) -> Toy:
    """A ResNet-10 with random weights whose branch for ``method`` was fitted for a few iterations."""
    tasks = track_tasks("dense") if tasks is None else tasks
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make_network(
            NetworkConfig("resnet10", "linear"), {name: TASKS[name].outputs(CLASSES) for name in tasks}
        )
    return Toy(method, fitted_model(method, network, size), tasks)
