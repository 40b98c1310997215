"""S4T: what an update moves, where its randomness comes from, and which images, tasks and options it takes."""

from __future__ import annotations

import pytest
import torch
from tent_family import (
    build_adapter,
    build_model,
    images,
    moved_names,
    rng,
    small_network,
    state_of,
)

from ttt_bench.errors import UserError
from ttt_bench.method.registry import create
from ttt_bench.toolbox.mae.masking import STRATEGIES


@pytest.fixture(scope="module")
def network():
    return small_network()


def test_encoder_projection_and_tbs_move_and_no_head_does(network):
    adapter = build_adapter("s4t", network)
    before = state_of(adapter)
    adapter.spec = adapter.spec.__class__("sgd", lr=1e-2, weight_decay=1e-2)
    adapter.optimizer.param_groups[0]["weight_decay"] = 1e-2
    for seed in range(2):
        adapter.update(images(4, seed=seed))
    moved = moved_names(adapter, before)
    still = {n for n, _ in adapter.model.named_parameters()} - moved
    assert still == {n for n in still if n.startswith(("network.heads.", "aux.aux_heads."))}
    assert len(still) == 2 * 2 * 4
    assert all(adapter.model.get_parameter(n).grad is None for n in still)


def test_running_statistics_track_the_batch(network):
    adapter = build_adapter("s4t", network)
    before = adapter.model.network.encoder.bn1.running_mean.clone()
    data = images(4)
    with torch.no_grad():
        batch_mean = adapter.model.network.encoder.conv1(data).mean((0, 2, 3))
    adapter.update(data)
    want = 0.9 * before + 0.1 * batch_mean
    torch.testing.assert_close(adapter.model.network.encoder.bn1.running_mean, want, rtol=1e-4, atol=1e-5)


def test_adaptation_and_evaluation_never_touch_an_auxiliary_head(network):
    adapter = build_adapter("s4t", network)
    calls = []
    for module in (*adapter.model.aux.aux_heads.values(), adapter.model.aux.tbs):
        module.register_forward_hook(lambda module, *_: calls.append(type(module).__name__))
    adapter.predict(images(2))
    assert calls == []
    adapter.update(images(2))
    assert calls == ["MaskedAutoencoder"]


def test_one_encoder_pass_per_update_and_per_evaluation(network):
    adapter = build_adapter("s4t", network)
    pixels = images(4)[:, 0].numel()
    adapter.update(images(4))
    assert (adapter.cost.forward_pixels, adapter.cost.backward_pixels) == (pixels, pixels)
    adapter.predict(images(4))
    assert (adapter.cost.forward_pixels, adapter.cost.backward_pixels) == (2 * pixels, pixels)


@torch.no_grad()
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_masks_come_from_the_generator_handed_in_alone(network, strategy):
    method = create("s4t", {"strategy": strategy})
    model = build_model(method, network)
    data = images(3)
    state = torch.get_rng_state()
    first = method.loss(model, data, rng(1))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(method.loss(model, data, rng(1)), first)
    assert not torch.equal(method.loss(model, data, rng(2)), first)


@torch.no_grad()
def test_every_step_draws_a_new_mask(network):
    method = create("s4t")
    model = build_model(method, network)
    stream = rng(1)
    masks = [method.draw_mask(model, images(2), stream) for _ in range(2)]
    assert not torch.equal(masks[0].removed(), masks[1].removed())


@torch.no_grad()
def test_without_masking_nothing_is_random(network):
    method = create("s4t", {"mask_ratio": 0.0})
    model = build_model(method, network)
    one, two = (method.loss(model, images(2), rng(seed)) for seed in (1, 2))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"strategy": "random"}, {"reconstruct_image": True}, {"projection": False}])
def test_ragged_batches_odd_and_narrow_images(network, options):
    adapter = build_adapter("s4t", network, **options)
    start = adapter.digest()
    for batch, height, width in ((8, 64, 64), (1, 64, 96), (3, 63, 95), (2, 40, 72)):
        loss = adapter.update(images(batch, height, width))
        assert torch.isfinite(loss)
        assert adapter.predict(images(batch, height, width))["normal"].shape == (batch, 3, height, width)
    adapter.reset()
    assert adapter.digest() == start


@pytest.mark.parametrize("outputs", [{"semseg": 6, "normal": 3, "edge": 1}, {"depth": 1}, {"semseg": 2, "depth": 1}])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_any_set_of_tasks(outputs, strategy):
    adapter = build_adapter("s4t", small_network(outputs), strategy=strategy)
    assert torch.isfinite(adapter.update(images(2)))


def test_small_images_get_a_small_square():
    method = create("s4t")
    assert [method.square(size) for size in ((64, 64), (127, 500), (128, 128), (448, 576))] == [64, 64, 256, 256]
    assert create("s4t", {"tbs_size": 128}).square((64, 64)) == 128


@pytest.mark.parametrize(
    "options",
    [{"mask_ratio": 1.0}, {"strategy": "none"}, {"task_weights": "twice"}, {"tbs_size": 100}, {"task_order": "x"}],
)
def test_bad_options_are_user_errors(options):
    with pytest.raises(UserError):
        create("s4t", options)
