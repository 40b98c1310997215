"""ActMAD: what is tapped, what is stored, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from parity_adapters.plugin import plugin
from torch import Tensor, nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig

OUTPUTS = {"semseg": 5, "depth": 1, "normal": 3, "edge": 1}


def fitted(size: tuple[int, int] = (32, 48), **options: Any) -> tuple[Any, Model]:
    torch.manual_seed(0)
    method = plugin("actmad").ActMAD(**options)
    network = make_network(NetworkConfig("resnet10"), OUTPUTS)
    model = Model(network, method.auxiliary(network)).eval()
    with torch.no_grad():
        method.source_statistics(model, [torch.randn(4, 3, *size) for _ in range(3)], torch.Generator())
    return method, model


def in_place_leftovers(encoder: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What the official CIFAR hook sees: the batch norms' own output tensors, read after the whole forward."""
    seen: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, module in encoder.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    encoder(images)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("backbone", ["resnet10", "resnet50"])
def test_post_hook_is_what_in_place_operations_leave(backbone: str) -> None:
    torch.manual_seed(0)
    network = make_network(NetworkConfig(backbone), {"depth": 1}).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        want = in_place_leftovers(network.encoder, images)
        got: dict[str, Tensor] = {}
        taps = plugin("actmad").find_taps(network.encoder, "all", "post")
        with plugin("actmad").reading(taps, lambda name, maps: got.update({name: maps.clone()})):
            network.features(images)
    assert list(got) == list(want) or got.keys() == want.keys()
    for name in want:
        assert torch.equal(got[name], want[name]), name


def test_pre_hook_is_the_batch_norm_output() -> None:
    network = make_network(NetworkConfig("resnet10"), {"depth": 1}).eval()
    got: dict[str, Tensor] = {}
    with plugin("actmad").reading(
        plugin("actmad").find_taps(network.encoder, "all", "pre"),
        lambda name, maps: got.update({name: maps.clone()}),
    ):
        images = torch.randn(2, 3, 32, 32)
        network.features(images)
    assert torch.equal(got["bn1"], network.encoder.bn1(network.encoder.conv1(images)))
    assert got["layer4.0.bn2"].min() < 0


def test_layer_choices() -> None:
    find = plugin("actmad").find_taps
    resnet50 = make_network(NetworkConfig("resnet50"), {"depth": 1}).encoder
    assert len(find(resnet50, "all", "pre")) == 53
    assert [tap.name for tap in find(resnet50, "resnet50_6", "pre")] == list(plugin("actmad").RESNET50_6)
    ends = find(resnet50, "block_ends", "pre")
    assert len(ends) == 16
    assert all(tap.name.endswith("bn3") for tap in ends)
    with pytest.raises(UserError, match="ResNet-50"):
        find(make_network(NetworkConfig("resnet10"), {"depth": 1}).encoder, "resnet50_6", "pre")
    method, model = fitted(skip=5)
    assert len(method.observe(model, torch.randn(2, 3, 32, 48))) == 12 - 5


def test_moments_are_per_location_and_unbiased() -> None:
    maps = torch.randn(5, 3, 4, 6)
    mean, var = plugin("actmad").ActMAD().moments_of(maps)
    torch.testing.assert_close(mean, maps.mean(0))
    torch.testing.assert_close(var, (maps - maps.mean(0)).square().sum(0) / 4)
    mean, var = plugin("actmad").ActMAD(moments="channel").moments_of(maps)
    assert mean.shape == var.shape == (3, 1, 1)
    flat = maps.movedim(1, 0).reshape(3, -1)
    torch.testing.assert_close(var.flatten(), flat.var(1))
    torch.testing.assert_close(mean.flatten(), flat.mean(1))


def test_source_moments_are_averaged_over_batches_and_partial_ones_dropped() -> None:
    method, model = fitted()
    torch.manual_seed(1)
    batches = [torch.randn(4, 3, 32, 48), torch.randn(4, 3, 32, 48), torch.randn(2, 3, 32, 48)]
    with torch.no_grad():
        method.source_statistics(model, batches, torch.Generator())
        each = [method.observe(model, images)["bn1"] for images in batches]
    torch.testing.assert_close(model.aux["var:bn1"], (each[0][1] + each[1][1]) / 2)
    with torch.no_grad():
        plugin("actmad").ActMAD(partial="keep").source_statistics(model, batches, torch.Generator())
    torch.testing.assert_close(model.aux["mean:bn1"], sum(e[0] for e in each) / 3)


@pytest.mark.parametrize("options", [{}, {"resize": "images"}, {"moments": "channel"}, {"hook": "post"}])
def test_adapts_at_another_resolution_and_resets(options: dict[str, str]) -> None:
    method, model = fitted(**options)
    adapter = Adapter(model, method, method.native)
    before = adapter.digest()
    running = model.network.encoder.bn1.running_mean.clone()
    for count in (8, 4, 3):
        losses = [float(adapter.update(torch.randn(count, 3, 64, 80))) for _ in range(2)]
        assert all(torch.isfinite(torch.tensor(losses)))
    assert torch.equal(model.network.encoder.bn1.running_mean, running), "source statistics must not move"
    assert adapter.digest() != before
    adapter.reset()
    assert adapter.digest() == before


def test_heads_do_not_move() -> None:
    method, model = fitted()
    heads = {name: p.clone() for name, p in model.network.heads.named_parameters()}
    adapter = Adapter(model, method, method.native)
    adapter.update(torch.randn(4, 3, 32, 48))
    assert all(torch.equal(p, heads[name]) for name, p in model.network.heads.named_parameters())


def test_resized_images_meet_the_source_at_its_own_size() -> None:
    method, model = fitted(resize="images")
    seen = []
    handle = model.network.encoder.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].shape))
    method.loss(model, torch.randn(2, 3, 64, 80), torch.Generator())
    handle.remove()
    assert seen == [torch.Size([2, 3, 32, 48])]


def test_one_image_is_refused_by_location_and_fine_by_channel() -> None:
    method, model = fitted()
    adapter = Adapter(model, method, method.native)
    before = adapter.digest()
    with pytest.raises(UserError, match="batch of one image"):
        adapter.update(torch.randn(1, 3, 32, 48))
    assert adapter.digest() == before, "no hook may stay behind after a refusal"
    method, model = fitted((64, 80), moments="channel")
    loss = Adapter(model, method, method.native).update(torch.randn(1, 3, 64, 80))
    assert torch.isfinite(loss)


def test_bad_source_and_options_are_refused() -> None:
    method, model = fitted()
    with pytest.raises(UserError, match="no source images"):
        method.source_statistics(model, [], torch.Generator())
    with pytest.raises(UserError, match="one size"), torch.no_grad():
        method.source_statistics(model, [torch.randn(2, 3, 32, 48), torch.randn(2, 3, 48, 32)], torch.Generator())
    with pytest.raises(UserError, match="hook=after"):
        create("actmad", {"hook": "after"})


def test_moments_survive_a_state_dict() -> None:
    method, model = fitted()
    network = make_network(NetworkConfig("resnet10"), OUTPUTS)
    other = Model(network, method.auxiliary(network))
    other.load_state_dict(model.state_dict())
    images = torch.randn(4, 3, 32, 48)
    loss = method.loss(model.eval(), images, torch.Generator())
    assert torch.equal(method.loss(other.eval(), images, torch.Generator()), loss)
