"""NC-TTT: labels, noise, the folded projection, and what moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import check_run
from torch import Tensor, nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.card import PAPER_RECIPE
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig

OUTPUTS = {"semseg": 5, "depth": 1, "normal": 3, "edge": 1}


def build(**options: Any) -> tuple[Any, Model]:
    torch.manual_seed(0)
    method = plugin("nctt").NCTTT(**({"embed": 32} | options))
    network = make_network(NetworkConfig("resnet10"), OUTPUTS)
    return method, Model(network, method.auxiliary(network)).eval()


def random_batch(model: Model, count: int = 4, size: tuple[int, int] = (64, 96)) -> SourceBatch:
    images = torch.randn(count, 3, *size)
    with torch.no_grad():
        return SourceBatch(images, {}, model.network.features(images), {})


def scores_unfolded(head: nn.Module, features: Tensor, noise: Tensor) -> Tensor:
    """The discriminator as written in the paper: project, add noise, discriminate."""
    return head.rest(head.first(head.projector(features) + noise)).squeeze(1)


def test_folded_projection_gives_the_same_scores_and_gradients() -> None:
    _, model = build()
    head, features = model.aux, torch.randn(2, 64, 5, 7)
    noise = torch.randn(2, 32, 5, 7)
    parameters = list(head.parameters())
    folded = head.score(head.entry(features) + head.entry_of_noise(noise))
    plain = scores_unfolded(head, features, noise)
    torch.testing.assert_close(folded, plain)
    for a, b in zip(
        torch.autograd.grad(folded.square().sum(), parameters),
        torch.autograd.grad(plain.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("std1", [0.1, 0.0])
def test_label_one_means_more_noise(std1: float) -> None:
    method, model = build(std1=std1)
    large = 0.1 * torch.randn(3, 32, 4, 6) if std1 else None
    small = 0.015 * torch.randn(3, 32, 4, 6)
    labels = method.contrast(model, torch.randn(3, 64, 4, 6), large, small).labels
    assert labels.shape == (6, 4, 6)
    more, less = (labels[:3], labels[3:]) if std1 else (labels[3:], labels[:3])
    assert float(more.min()) > 0.99
    assert float(less.max()) < 0.01


def test_posterior_is_bayes_rule() -> None:
    method, _ = build(std1=0.05, std2=0.03)
    noise = 0.04 * torch.randn(2, 32, 3, 3, dtype=torch.float64)
    large, small = (torch.distributions.Normal(0.0, s).log_prob(noise).sum(1).exp() for s in (0.05 + 1e-6, 0.03))
    # The official odds take the determinant at std1 and the exponent at std1 + 1e-6.
    torch.testing.assert_close(method.posterior(noise, (1,)), large / (large + small), rtol=1e-3, atol=1e-5)


def test_noise_is_each_samples_own_or_the_official_sum() -> None:
    drawn = torch.randn(4, 8, 2, 3)
    assert torch.equal(build()[0].spread(drawn), drawn)
    spread = build(noise="official")[0].spread(drawn)
    assert torch.equal(spread[0], spread[3])
    torch.testing.assert_close(spread[0], drawn.sum(0))


def test_noise_depends_on_the_generator_only() -> None:
    method, model = build()
    batch = random_batch(model)
    torch.manual_seed(1)
    first = method.source_loss(model, batch, torch.Generator().manual_seed(3))
    torch.manual_seed(2)
    assert torch.equal(method.source_loss(model, batch, torch.Generator().manual_seed(3)), first)
    assert not torch.equal(method.source_loss(model, batch, torch.Generator().manual_seed(4)), first)


@pytest.mark.parametrize("options", [{}, {"std1": 0.0}, {"noise": "official"}, {"stage": 2}])
def test_fits_on_frozen_features(options: dict[str, Any]) -> None:
    method, model = build(**options)
    batch, rng = random_batch(model), torch.Generator().manual_seed(0)
    model.aux.train()
    optimizer = torch.optim.Adam(model.aux.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = method.source_loss(model, batch, rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_adapts_and_resets(recipe: str) -> None:
    method, model = build()
    check_run(Adapter(model, method, method.native if recipe == "native" else PAPER_RECIPE))


def test_what_moves() -> None:
    method, model = build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Adapter(model, method, method.native).update(torch.randn(2, 3, 64, 96))
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    buffers = {key for key in moved if key.rsplit(".", 1)[-1].startswith(("running", "num_batches"))}
    assert {key.split(".")[2] for key in moved - buffers} == {"conv1", "bn1", "layer1"}
    assert "network.encoder.layer4.0.bn1.running_mean" in buffers
    assert "aux.rest.0.running_mean" in buffers, "the discriminator's batch norm adapts in train mode"
    later = build(refresh=False)[1]
    before = later.network.encoder.layer4[0].bn1.running_mean.clone()
    Adapter(later, build(refresh=False)[0], PAPER_RECIPE).update(torch.randn(2, 3, 64, 96))
    assert torch.equal(later.network.encoder.layer4[0].bn1.running_mean, before)


def test_flat_head_works_on_its_map_and_refuses_others() -> None:
    method, model = build(head="flat", side=16, embed=8)
    loss = method.source_loss(model, random_batch(model, 4, (64, 64)), torch.Generator())
    assert torch.isfinite(loss)
    adapter = Adapter(model, method, method.native)
    assert torch.isfinite(adapter.update(torch.randn(4, 3, 64, 64)))
    with pytest.raises(UserError, match="16 x 24"):
        adapter.update(torch.randn(4, 3, 64, 96))
    with pytest.raises(UserError, match="at least 2 images"):
        adapter.update(torch.randn(1, 3, 64, 64))


def test_reversed_noise_and_bad_options_are_refused() -> None:
    with pytest.raises(UserError, match="more noise"):
        create("nctt", {"std1": 0.015, "std2": 0.05})
    with pytest.raises(UserError, match="std2=0"):
        create("nctt", {"std2": 0.0})
    with pytest.raises(UserError, match="head=dens"):
        create("nctt", {"head": "dens"})
    with pytest.raises(UserError, match="stage=5"):
        create("nctt", {"stage": 5})
