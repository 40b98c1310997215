"""S4T: what its loss is, what it moves, where its randomness comes from, and that its rewrites are exact."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from parity_adapters.plugin import plugin
from tent_family import (
    build_adapter,
    build_model,
    check_branch_trains,
    images,
    moved_names,
    small_network,
    source_batch,
    state_of,
)
from tiny_sweep import SHARED

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create, find
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.tasks import TASKS
from ttt_bench.toolbox.mae.masking import STRATEGIES
from ttt_bench.toolbox.mae.patches import unpatchify
from ttt_bench.toolbox.mae.positions import sincos_table

TASK_NAMES = ("semseg", "depth", "normal", "edge")


@pytest.fixture(scope="module")
def network():
    return small_network()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# --- size --------------------------------------------------------------------------------------


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


# --- the loss ----------------------------------------------------------------------------------


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


# --- what moves --------------------------------------------------------------------------------


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


# --- randomness --------------------------------------------------------------------------------


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


# --- shapes and variants -----------------------------------------------------------------------


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


# --- the release's order of tasks ---------------------------------------------------------------


def labelled_outputs(widths):
    """Outputs whose channels hold the number of their task, so that it shows who reads what."""
    return {task: torch.full((1, widths[task], 1, 1), float(TASK_NAMES.index(task))) for task in widths}


def readers(order, widths):
    """Task that reads -> the tasks that wrote its channels."""
    module = plugin("s4t")
    read = module.read_by_place(labelled_outputs(widths), *module.ORDERS[order])
    return {task: [TASK_NAMES[int(channel)] for channel in maps.flatten()] for task, maps in read.items()}


def test_outputs_are_read_by_place_as_worked_out_by_hand():
    widths = {"semseg": 4, "depth": 1, "normal": 3, "edge": 1}
    assert readers("from-taskonomy", widths) == {
        "semseg": ["depth", "edge", "normal", "normal"], "depth": ["normal"],
        "normal": ["semseg", "semseg", "semseg"], "edge": ["semseg"],
    }  # fmt: skip
    assert readers("to-taskonomy", widths) == {
        "depth": ["semseg"], "edge": ["semseg"], "normal": ["semseg", "semseg", "depth"],
        "semseg": ["normal", "normal", "normal", "edge"],
    }  # fmt: skip
    assert readers("by-name", widths) == {task: [task] * width for task, width in widths.items()}


@pytest.mark.parametrize("pair", ["taskonomy_nyud", "nyud_taskonomy", "pascal_taskonomy"])
def test_outputs_are_read_as_the_release_reads_them(pair):
    file = SHARED / "reference/s4t/structure.json"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    info = json.loads(file.read_text(encoding="utf-8"))["info"]
    [published] = [
        value
        for key, value in info["tbs_output_channels_read_after_released_checkpoint_transfer"].items()
        if key.startswith(pair)
    ]
    ours = {
        "depth_zbuffer": "depth", "edge_occlusion": "edge", "segment_semantic": "semseg", "normals": "normal",
        "normal": "normal", "semseg": "semseg", "depth": "depth", "edge": "edge",
    }  # fmt: skip
    want = {ours[task]: [ours[name] for name in names] for task, names in published.items()}
    widths = {task: len(names) for task, names in want.items()}
    order = "from-taskonomy" if pair.startswith("taskonomy") else "to-taskonomy"
    assert readers(order, widths) == want


@torch.no_grad()
@pytest.mark.parametrize("order", ["from-taskonomy", "to-taskonomy"])
def test_a_scrambled_order_changes_who_is_compared_and_nothing_at_source_time(network, order):
    data = images(2)
    plain, scrambled = create("s4t"), create("s4t", {"task_order": order})
    model = build_model(plain, network)
    mask = plain.draw_mask(model, data, rng(3))
    before, after = (method.errors(model, data, mask) for method in (plain, scrambled))
    assert before.keys() == after.keys()
    assert all(not torch.equal(before[task], after[task]) for task in TASK_NAMES)
    size = tuple(data.shape[-2:])
    features = model.network.features(data)
    main = model.network.predict(features, size)
    tbs = model.aux.reconstruct(model.aux.slices(features, size), mask, plain.square(size), size)
    read = plugin("s4t").read_by_place(tbs, *plugin("s4t").ORDERS[order])
    for task in TASK_NAMES:
        torch.testing.assert_close(after[task], (read[task] - main[task]).abs().sum(1).mean())
    batch = source_batch(copy.deepcopy(network))
    losses = [m.source_loss(build_model(m, network), batch, rng()) for m in (plain, scrambled)]
    assert torch.equal(*losses)


# --- source time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"projection": False}, {"reconstruct_image": True}, {"reconstruct_image": True, "projection": False}],
)
def test_the_branch_trains(options):
    check_branch_trains("s4t", steps=4, source_weight=1.0, **options)


def test_the_source_loss_scales_with_its_weight(network):
    batch = source_batch(copy.deepcopy(network))
    losses = []
    for weight in (0.01, 1.0):
        method = create("s4t", {"source_weight": weight})
        losses.append(float(method.source_loss(build_model(method, network), batch, rng()).detach()))
    assert losses[1] == pytest.approx(100 * losses[0], rel=1e-5)


def test_options_that_shape_the_branch_enter_its_identity():
    info = find("s4t")
    assert set(info.options) - set(info.source_options) == {"loss_weight", "task_weights", "task_order"}


# --- exact rewrites ----------------------------------------------------------------------------


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
