"""CTA: what moves, what stays, what the alignment does, and that its two stages are fitted resumably."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from tent_family import images, moved_names, small_network, state_of

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.toolbox.alignment import info_nce, nt_xent, smooth_distance


def class_network(seed=0):
    torch.manual_seed(seed)
    return make_network(NetworkConfig("resnet10", "linear"), {"class": 4}, ("class",)).eval()


@pytest.fixture(scope="module", params=["maps", "images"])
def network(request):
    return small_network() if request.param == "maps" else class_network()


def model_of(network, **options):
    method = create("cta", options, tasks=network.tasks)
    torch.manual_seed(3)
    network = copy.deepcopy(network).requires_grad_(False)
    model = Model(network, method.auxiliary(network)).eval()
    with torch.no_grad():
        method.source_statistics(model, [images(4, 32, 32)], torch.Generator())
    return method, model


def adapter_of(network, **options):
    method, model = model_of(network, **options)
    return Adapter(model, method, method.native_on(network.tasks))


def batch_of(network, stage="align", count=6):
    data = images(count, 32, 32, seed=5)
    with torch.no_grad():
        features = network.features(data)
        return SourceBatch(data, {}, features, network.predict(features, (32, 32)), stage=stage)


@pytest.mark.parametrize(
    "options", [{}, {"moving": "bn"}, {"moving": "early"}, {"test_loss": "infonce"}, {"running": "clean"}], ids=str
)
def test_updates_move_the_aligned_encoder_alone_and_reset(network, options):
    adapter = adapter_of(network, **options)
    start, before = adapter.digest(), state_of(adapter)
    assert torch.isfinite(adapter.update(images(3, 32, 32)))
    moved = moved_names(adapter, before)
    assert "aux.encoder.bn1.weight" in moved
    assert all(name.startswith("aux.encoder.") for name in moved)
    assert ("aux.encoder.conv1.weight" in moved) == (options.get("moving") != "bn")
    reached = options.get("moving", "all") == "all"
    assert any("layer4" in name for name in moved) == (reached or options["moving"] == "bn")
    assert torch.equal(adapter.model.network.encoder.bn1.running_mean, before["network.encoder.bn1.running_mean"])
    adapter.predict(images(3, 32, 32))
    adapter.reset()
    assert adapter.digest() == start


def test_with_equal_encoders_it_answers_as_the_network(network):
    adapter = adapter_of(network, length="match")
    data = images(3, 32, 32)
    with torch.no_grad():
        known = network(data)
    for task, answer in adapter.predict(data).items():
        torch.testing.assert_close(answer, known[task], rtol=1e-4, atol=1e-5)


def test_the_contrast_sees_no_network_and_the_alignment_trains_what_it_says(network):
    method, model = model_of(network)
    bare = SourceBatch(images(4, 32, 32), {}, (), {}, stage="contrast")
    model.aux.train()
    method.source_loss(model, bare, torch.Generator().manual_seed(0)).backward()
    assert all(parameter.grad is not None for parameter in model.aux.parameters())
    for projector, reached in (("refit", (True, True)), ("stale", (True, False)), ("joint", (True, True))):
        method, model = model_of(network, projector=projector)
        model.aux.train()
        method.source_loss(model, batch_of(model.network), torch.Generator().manual_seed(0)).backward()
        grads = [part.grad is not None for part in (model.aux.encoder.conv1.weight, model.aux.project[0].weight)]
        assert tuple(grads) == reached, projector


def test_refitting_the_projector_moves_neither_gradient_nor_statistics_of_the_encoder(network):
    def after(projector):
        method, model = model_of(network, projector=projector)
        model.aux.train()
        method.source_loss(model, batch_of(model.network), torch.Generator().manual_seed(0)).backward()
        encoder = model.aux.encoder
        return encoder.conv1.weight.grad, encoder.layer1[0].bn1.running_mean

    for refit, stale in zip(after("refit"), after("stale"), strict=True):
        assert torch.equal(refit, stale)
    assert not torch.equal(after("joint")[1], after("stale")[1])


@pytest.mark.parametrize(
    "options",
    [{}, {"align": "infonce_c2s"}, {"align": "infonce_s2c"}, {"align": "cosine"}, {"align": "mse"}, {"length": "smooth_l1"}],
    ids=str,
)  # fmt: skip
def test_the_alignment_brings_another_encoder_nearer(network, options):
    method, model = model_of(network, start="random", projector="stale", **options)
    model.aux.train()
    batch = batch_of(model.network, count=8)
    optimizer = torch.optim.Adam(model.aux.parameters(), 1e-3)

    def recognised():
        """Share of probability, among all of the batch, that f_s's features give to f_c's of the same image."""
        with torch.no_grad():
            moving = model.network.encode(model.aux.encoder, batch.images)[-1].mean((2, 3))
        rows = [torch.nn.functional.normalize(each - each.mean(0), dim=1) for each in (moving, frozen)]
        return (rows[0] @ rows[1].T / 0.1).softmax(1).diagonal().mean()

    frozen = batch.features[-1].mean((2, 3))
    before = recognised()
    for step in range(12):
        optimizer.zero_grad()
        method.source_loss(model, batch, torch.Generator().manual_seed(step)).backward()
        optimizer.step()
    assert recognised() > before + 0.2


def test_start_and_length():
    network = class_network()
    initial = class_network(seed=9)
    first = {
        start: model_of(network, start=start)[1].aux.encoder.conv1.weight
        for start in ("initial", "random", "supervised")
    }
    assert not torch.equal(first["random"], network.encoder.conv1.weight)
    method, model = model_of(network)
    method.source_start(model, lambda: initial)
    assert torch.equal(model.aux.encoder.conv1.weight, initial.encoder.conv1.weight)
    method, model = model_of(network, start="supervised")
    method.source_start(model, lambda: initial)
    assert torch.equal(model.aux.encoder.conv1.weight, network.encoder.conv1.weight)
    with torch.no_grad():
        model.aux.encoder.layer4[0].bn2.weight.mul_(3)
        model.aux.encoder.layer4[0].bn2.bias.mul_(3)
    method.source_statistics(model, [images(4, 32, 32)], torch.Generator())
    assert float(model.aux.bank["ratio"][-1]) < 0.9


def test_negatives_of_other_classes_need_classes_of_images():
    with pytest.raises(UserError, match="one class per image"):
        create("cta", {"negatives": "other_class"}).auxiliary(small_network())
    method, model = model_of(class_network(), negatives="other_class")
    model.network.heads["class"].linear.weight.data.zero_()  # everything is of one class: no negatives are left
    batch = batch_of(model.network)
    levels = model.network.encode(model.aux.encoder, batch.images)
    [(moving, frozen)] = method.rows(model, levels, batch.features, torch.Generator())
    torch.testing.assert_close(
        method.distance(moving, frozen, method.same_class(model, batch.predictions)), torch.tensor(0.0)
    )


# --- formulas ----------------------------------------------------------------------------------


def test_info_nce_is_symmetric_blind_to_order_and_log_of_the_count_for_equal_rows():
    one, other = torch.randn(6, 5, requires_grad=True), torch.randn(6, 5, requires_grad=True)
    loss = info_nce(one, other, 0.1)
    loss.backward()
    assert other.grad is None
    sides = [info_nce(one, other, 0.1, direction) for direction in ("c2s", "s2c")]
    torch.testing.assert_close(loss, sum(sides) / 2)
    order = torch.randperm(6)
    torch.testing.assert_close(info_nce(one[order], other[order], 0.1), loss)
    torch.testing.assert_close(info_nce(torch.ones(6, 5), torch.ones(6, 5), 0.1), torch.tensor(math.log(6)))
    everything = torch.ones(6, 6, dtype=torch.bool)
    torch.testing.assert_close(info_nce(one, other, 0.1, excluded=everything), torch.tensor(0.0))


def test_views_of_one_image_are_no_negatives_of_each_other():
    rows = torch.nn.functional.normalize(torch.randn(8, 5), dim=1)
    similarity = rows @ rows.T / 0.5
    expected = []
    for anchor in range(8):
        partner = (anchor + 4) % 8
        others = [k for k in range(8) if (k % 4) // 2 != (anchor % 4) // 2]
        logits = similarity[anchor, [partner, *others]]
        expected.append(logits.logsumexp(0) - similarity[anchor, partner])
    torch.testing.assert_close(nt_xent(rows, 0.5, copies=2), torch.stack(expected).mean())
    torch.testing.assert_close(nt_xent(rows[:2], 0.5), torch.tensor(0.0))
    torch.testing.assert_close(nt_xent(torch.ones(8, 5) / 5**0.5, 0.5), torch.tensor(math.log(7)))


def test_smooth_distance_is_zero_for_equal_rows_and_blind_to_a_channels_scale():
    rows, moved = torch.randn(7, 3), torch.randn(7, 3)
    assert float(smooth_distance(rows, rows)) == 0
    scale = torch.tensor([10.0, 1.0, 3.0])
    torch.testing.assert_close(
        smooth_distance(moved * scale, rows * scale), smooth_distance(moved, rows), rtol=1e-4, atol=1e-5
    )
