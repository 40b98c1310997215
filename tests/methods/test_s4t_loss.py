"""S4T: how large it is, what its loss is, and that its rewrites are exact."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from parity_adapters.plugin import plugin
from tent_family import (
    build_adapter,
    build_model,
    images,
    rng,
    small_network,
)

from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.tasks import TASKS
from ttt_bench.toolbox.mae.patches import unpatchify
from ttt_bench.toolbox.mae.positions import sincos_table

TASK_NAMES = ("semseg", "depth", "normal", "edge")


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize(
    ("outputs", "count"),
    [
        ({"semseg": 7, "depth": 1, "normal": 3, "edge": 1}, 29_236_632),
        ({"semseg": 6, "normal": 3, "edge": 1}, 27_901_140),
    ],
)
def test_the_paper_configuration_has_the_published_number_of_parameters(outputs, count):
    with torch.device("meta"):
        network = make_network(NetworkConfig("resnet50"), outputs)
        model = Model(network, create("s4t").auxiliary(network))
    assert sum(p.numel() for p in model.parameters()) == count


def errors_by_hand(method, model, data, noise_seed):
    """e_t from plain outputs: channels summed, pixels averaged."""
    size = tuple(data.shape[-2:])
    features = model.network.features(data)
    main = model.network.predict(features, size)
    mask = method.draw_mask(model, data, rng(noise_seed))
    slices = model.aux.project(features, (size[0] // 4, size[1] // 4))
    tbs = model.aux.reconstruct(slices, mask, method.square(size), size)
    pixels = len(data) * size[0] * size[1]
    return {t: float((tbs[t] - main[t]).abs().sum() / pixels) for t in main}


@pytest.mark.parametrize(("weights", "power"), [("once", 1), ("squared", 2)])
@torch.no_grad()
def test_the_loss_weighs_summed_channels_by_task(network, weights, power):
    method = create("s4t", {"task_weights": weights})
    model = build_model(method, network)
    errors = errors_by_hand(method, model, images(2), 5)
    want = 0.01 * sum(TASKS[t].weight ** power * errors[t] for t in TASK_NAMES)
    assert float(method.loss(model, images(2), rng(5))) == pytest.approx(want, rel=1e-5)
    assert max(errors.values()) < 100 * min(errors.values()), "every task must matter in this example"


@torch.no_grad()
def test_automatic_weighting_starts_from_ones(network):
    method = create("s4t", {"task_weights": "automatic"})
    model = build_model(method, network)
    method.prepare(model)
    errors = errors_by_hand(method, model, images(2), 5)
    want = sum(0.5 * 0.01 * e for e in errors.values()) + 4 * float(torch.tensor(2.0).log())
    assert float(method.loss(model, images(2), rng(5))) == pytest.approx(want, rel=1e-5)


def test_automatic_weighting_moves_its_sigmas_and_a_reset_returns_them(network):
    adapter = build_adapter("s4t", network, task_weights="automatic")
    adapter.update(images(2))
    assert (adapter.model.aux.sigma < 1).all()
    adapter.reset()
    assert (adapter.model.aux.sigma == 1).all()


def test_distance_sums_channels_and_averages_pixels():
    distance = plugin("s4t").distance
    target = torch.zeros(2, 7, 3, 5)
    assert float(distance(target + 2, target)) == 14
    assert float(distance(target[:, :1] - 2, target[:, :1])) == 2


def test_the_target_is_detached(network):
    """Only the TBS side carries gradient: the gradient is that of the loss against a constant target."""
    method = create("s4t")
    model = build_model(method, network)
    data = images(2)
    method.loss(model, data, rng(1)).backward()
    got = model.network.encoder.conv1.weight.grad.clone()
    assert all(p.grad is None for p in model.network.heads.parameters())
    constant = {t: p.detach() for t, p in model.network(data).items()}
    model.network.predict = lambda *_: constant
    model.zero_grad()
    method.loss(model, data, rng(1)).backward()
    torch.testing.assert_close(model.network.encoder.conv1.weight.grad, got)


def test_image_reconstruction_aims_at_the_input(network):
    method = create("s4t", {"reconstruct_image": True})
    model = build_model(method, network)
    data = images(2)
    mask = method.draw_mask(model, data, rng())
    with torch.no_grad():
        slices = model.aux.project(model.network.features(data), (16, 24))
        out = model.aux.reconstruct(slices, mask, 64, (64, 96))
    assert out["image"].shape == data.shape
    want = 0.01 * (out["image"] - data).abs().sum(1).mean()
    torch.testing.assert_close(method.loss(model, data, rng()).detach(), want)


def naive_errors(model, data, mask, square):
    """The published computation: concatenate, project, upsample to the square, convolve, drop, decode all."""
    size, grid = tuple(data.shape[-2:]), (data.shape[-2] // 4, data.shape[-1] // 4)

    def up(x, to):
        return F.interpolate(x, size=to, mode="bilinear", align_corners=False)

    stack = torch.cat([up(level, grid) for level in model.network.features(data)], dim=1)
    heads = {t: up(F.conv2d(stack, h.reduce.weight, h.reduce.bias), size) for t, h in model.network.heads.items()}
    slices = F.conv2d(stack, model.aux.project.weight, model.aux.project.bias)
    tbs = model.aux.tbs
    x = tbs.patch_embed.proj(up(slices, (square, square))).flatten(2).transpose(1, 2)
    side = square // 16
    x = x + sincos_table(64, (side, side)).to(x.dtype)
    x = torch.stack([x[b, mask.positions[b]] for b in range(len(x))])
    for block in tbs.blocks:
        x = block(x)
    x = tbs.decoder_embed(tbs.norm(x))
    full = tbs.mask_token.expand(len(x), side * side, -1).clone()
    full = torch.stack([full[b].index_copy(0, mask.positions[b], x[b]) for b in range(len(x))])
    full = full + sincos_table(64, (side, side)).to(x.dtype)
    for block in tbs.decoder_blocks:
        full = block(full)
    maps = up(unpatchify(tbs.decoder_pred(tbs.decoder_norm(full)), 16, (side, side)), size)
    parts = torch.split(maps, list(model.network.outputs.values()), dim=1)
    return {t: (p - heads[t].detach()).abs().sum(1).mean() for t, p in zip(heads, parts, strict=True)}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-3)])
@pytest.mark.parametrize("size", [(64, 64), (64, 96), (60, 92)])
def test_the_whole_step_equals_the_naive_one_with_gradients(network, size, dtype, tolerance):
    method = create("s4t")
    model = build_model(method, network).to(dtype)
    data = images(2, *size).to(dtype)
    mask = method.draw_mask(model, data, rng(4))
    updated = list(method.updated(model))
    results = []
    for errors in (method.errors(model, data, mask), naive_errors(model, data, mask, 64)):
        total = method.total(errors)
        results.append((total, *torch.autograd.grad(total, updated)))
    for got, want in zip(*results, strict=True):
        scale = want.abs().max().clamp(min=1e-12)
        assert ((got - want).abs().max() / scale) < tolerance
