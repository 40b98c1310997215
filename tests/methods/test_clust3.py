"""ClusT3: the mutual information, its layouts, and what moves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import check_run

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.card import PAPER_RECIPE
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig

OUTPUTS = {"semseg": 5, "depth": 1, "normal": 3, "edge": 1}


def clust3(**options: Any) -> Any:
    return plugin("clust3").ClusT3(**options)


def build(backbone: str = "resnet10", **options: Any) -> tuple[Any, Model]:
    torch.manual_seed(0)
    method = clust3(**options)
    network = make_network(NetworkConfig(backbone), OUTPUTS)
    return method, Model(network, method.auxiliary(network)).eval()


def test_parameter_count_is_that_of_s4ts_table() -> None:
    _, model = build("resnet50")
    assert sum(p.numel() for p in model.aux.parameters()) == 38_500


def test_loss_is_least_for_confident_balanced_clusters() -> None:
    method = clust3()
    scores = torch.full((4, 4, 2, 2), -50.0)
    for image in range(4):
        scores[image, image] = 50.0
    assert float(torch.stack(method.terms(scores)).sum()) == pytest.approx(-math.log(4), abs=1e-5)
    assert float(torch.stack(method.terms(torch.zeros(4, 4, 2, 2))).sum()) == pytest.approx(0, abs=1e-6)
    one = scores[:1].expand(4, -1, -1, -1)
    assert float(torch.stack(method.terms(one)).sum()) == pytest.approx(0, abs=1e-5)


def test_layouts_agree_for_one_image_only() -> None:
    columns = plugin("clust3").by_cluster
    one, three = torch.randn(1, 4, 5, 6), torch.randn(3, 4, 5, 6)
    assert torch.equal(columns(one, "correct"), columns(one, "official"))
    assert not torch.equal(columns(three, "correct"), columns(three, "official"))
    assert torch.equal(columns(three, "correct")[2], three[:, 2].flatten())


def test_saturated_scores_have_a_finite_gradient() -> None:
    scores = (1e4 * torch.randn(2, 4, 3, 3)).requires_grad_()
    torch.stack(clust3().terms(scores)).sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_fits_on_frozen_features_and_joins_training() -> None:
    method, model = build(weight=2.0)
    images = torch.randn(4, 3, 64, 96)
    with torch.no_grad():
        features = model.network.features(images)
    batch = SourceBatch(images, {}, features, {})
    optimizer = torch.optim.Adam(model.aux.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = method.source_loss(model, batch, torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    expected = 2 * clust3().information_loss(model, features)
    torch.testing.assert_close(method.source_loss(model, batch, torch.Generator()), expected)
    joint = SourceBatch(images, {}, model.network.features(images), {})
    method.source_loss(model, joint, torch.Generator()).backward()
    assert model.network.encoder.conv1.weight.grad is not None


@pytest.mark.parametrize("recipe", ["native", "paper"])
@pytest.mark.parametrize("options", [{}, {"layout": "official", "marginal": "logit_kl"}])
def test_adapts_and_resets(recipe: str, options: dict[str, str]) -> None:
    method, model = build(**options)
    check_run(Adapter(model, method, method.native if recipe == "native" else PAPER_RECIPE))


def test_only_the_encoder_up_to_the_tap_moves() -> None:
    method, model = build()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Adapter(model, method, method.native).update(torch.randn(2, 3, 64, 96))
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    weights = {key for key in moved if not key.rsplit(".", 1)[-1].startswith(("running", "num_batches"))}
    assert {key.split(".")[2] for key in weights} == {"conv1", "bn1", "layer1", "layer2"}
    assert {key.split(".")[2] for key in moved - weights} == {"bn1", "layer1", "layer2", "layer3", "layer4"}


def test_without_refresh_later_statistics_stay() -> None:
    method, model = build(refresh=False)
    later = model.network.encoder.layer4[0].bn1.running_mean.clone()
    Adapter(model, method, method.native).update(torch.randn(2, 3, 64, 96))
    assert torch.equal(model.network.encoder.layer4[0].bn1.running_mean, later)


def test_bad_options_are_refused() -> None:
    with pytest.raises(UserError, match="layout=offical"):
        create("clust3", {"layout": "offical"})
    with pytest.raises(UserError, match="stages"):
        create("clust3", {"stages": "0+2"})
    with pytest.raises(UserError, match="stages"):
        create("clust3", {"stages": "1+c2"})
    with pytest.raises(UserError, match="clusters=1"):
        create("clust3", {"clusters": 1})
