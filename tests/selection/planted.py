"""A method whose best rate is known: one number moves by the rate at each update, and predictions are best where it is 1.

The published rate is 1/2 / 10^1.5, two updates a batch and a reset before each: x31.6 is best, a half-decade that the
grid of decades does not hold.
"""

from dataclasses import dataclass

import torch
from torch import nn

from ttt_bench.method import Card, Method, OptimizerSpec


@dataclass(frozen=True)
class Planted(Method):
    """Depth is off by how far the number is from 1, once the number has moved."""

    name = "planted"
    card = Card(title="Planted", paper="none", venue="", equation="- x", updates="one number")
    bn = "source"
    native = OptimizerSpec("sgd", lr=0.0158113883)

    def auxiliary(self, network):
        aux = nn.Module()
        aux.x = nn.Parameter(torch.zeros(1))
        return aux

    def updated(self, model):
        return [model.aux.x]

    def loss(self, model, images, rng):
        return -model.aux.x.sum()

    def predict(self, model, images):
        found = dict(model.network(images))
        sign = torch.ones_like(found["depth"])
        sign[..., ::2] = -1.0  # on average nothing, so that no bias of the network can want it
        found["depth"] = found["depth"] + 3.0 * sign * (model.aux.x - 1.0).abs().clamp(max=1.0)
        return found
