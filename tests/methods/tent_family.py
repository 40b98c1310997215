"""What the tests of methods share: a small network, its adapter, and a run of updates."""

from __future__ import annotations

import copy

import torch

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.card import PAPER_RECIPE
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.tasks.supervision import task_losses, weighted_sum

OUTPUTS = {"semseg": 7, "depth": 1, "normal": 3, "edge": 1}


def small_network(outputs=OUTPUTS, seed=0):
    torch.manual_seed(seed)
    return make_network(NetworkConfig("resnet10", "linear"), outputs).eval()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(batch, height=64, width=96, seed=1):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))


def build_model(method, network):
    """A model with the method's auxiliary part and, where it takes any, source statistics of 48 images."""
    torch.manual_seed(3)
    network = copy.deepcopy(network)
    model = Model(network, method.auxiliary(network)).eval()
    if method.statistics:
        with torch.no_grad():
            batches = [images(8, seed=100 + i) for i in range(6)]
            method.source_statistics(model, batches, torch.Generator().manual_seed(0))
    return model


def build_adapter(name, network, recipe="native", seed=0, **options):
    method = create(name, options)
    spec = method.native if recipe == "native" else PAPER_RECIPE
    return Adapter(build_model(method, network), method, spec, seed=seed)


def check_run(adapter, sizes=(8, 8, 4, 1, 3), height=64, width=96):
    """Five updates with ragged batches: finite, of the right shape, and undone by a reset."""
    start = adapter.digest()
    for index, batch in enumerate(sizes):
        data = images(batch, height, width, seed=10 + index)
        loss = adapter.update(data)
        assert loss is not None
        assert loss.shape == ()
        assert torch.isfinite(loss)
        predictions = adapter.predict(data)
        for task, channels in adapter.model.network.outputs.items():
            assert predictions[task].shape == (batch, channels, height, width)
            assert torch.isfinite(predictions[task]).all()
    moved = adapter.digest()
    assert moved != start
    adapter.reset()
    assert adapter.digest() == start


def moved_names(adapter, before):
    """Names of the parameters that differ from the state dict ``before``."""
    return {n for n, p in adapter.model.named_parameters() if not torch.equal(p, before[n])}


def state_of(adapter):
    return {name: tensor.clone() for name, tensor in adapter.model.state_dict().items()}


def source_batch(network, batch=4, height=64, width=64):
    data = images(batch, height, width, seed=7)
    labels = {
        "semseg": torch.randint(7, (batch, height, width)),
        "depth": torch.rand(batch, 1, height, width),
        "normal": torch.nn.functional.normalize(torch.randn(batch, 3, height, width), dim=1),
        "edge": torch.rand(batch, 1, height, width).round(),
    }
    features = network.features(data)
    return SourceBatch(data, labels, features, network.predict(features, (height, width)))


def check_branch_trains(name, steps=12, **options):
    """The branch learns on a frozen network (its loss falls, the network stays) and joins the main loss."""
    method = create(name, options)
    network = small_network().requires_grad_(False)
    model = build_model(method, network)
    frozen = copy.deepcopy(model.network.state_dict())
    model.aux.train()
    batch = source_batch(model.network)
    optimizer = torch.optim.Adam(model.aux.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = method.source_loss(model, batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.aux.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(torch.equal(value, frozen[key]) for key, value in model.network.state_dict().items())

    joint = Model(small_network(), method.auxiliary(small_network())).train()
    batch = source_batch(joint.network)
    total = weighted_sum(task_losses(batch.predictions, batch.labels))
    total = total + method.source_loss(joint, batch, torch.Generator().manual_seed(0))
    total.backward()
    assert all(torch.isfinite(p.grad).all() for p in joint.parameters() if p.grad is not None)
    assert joint.network.encoder.conv1.weight.grad.abs().sum() > 0
    assert next(joint.aux.parameters()).grad.abs().sum() > 0
