from __future__ import annotations

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import build_adapter, check_run, images, moved_names, small_network, state_of
from torch import nn

from ttt_bench.errors import UserError
from ttt_bench.method.registry import create

tipi = plugin("tipi")


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_five_ragged_updates_and_reset(network, recipe):
    check_run(build_adapter("tipi", network, recipe))


@pytest.mark.parametrize(
    "options",
    [
        {"random_start": False},
        {"skip_sequential": True},
        {"invariance": "classes"},
        {"tent_coeff": 0.0},
        {"reverse": False},
        {"tent_coeff": 0.0, "random_start": False},
    ],
)
def test_every_option_runs(network, options):
    check_run(build_adapter("tipi", network, **options), sizes=(2, 1))


def test_every_norm_becomes_a_pair_with_one_affine(network):
    adapter = build_adapter("tipi", network)
    pairs = list(tipi.pairs(adapter.model.network))
    assert len(pairs) == sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert all(p.main.weight is p.adv.weight and p.main.bias is p.adv.bias for p in pairs)
    assert all(p.main.running_mean is not p.adv.running_mean for p in pairs)
    assert len(adapter.parameters) == 2 * len(pairs)


def test_before_adaptation_predictions_are_those_of_the_source(network):
    data = images(3)
    adapter = build_adapter("tipi", network)
    with torch.no_grad():
        want = network(data)
    got = adapter.predict(data)
    assert all(torch.equal(got[task], want[task]) for task in want)


def test_official_conversion_leaves_shortcut_norms_alone(network):
    adapter = build_adapter("tipi", network, skip_sequential=True)
    single = {n for n, m in adapter.model.network.named_modules() if n.endswith("downsample.1")}
    assert single == {f"encoder.layer{i}.0.downsample.1" for i in (2, 3, 4)}
    before = state_of(adapter)
    adapter.update(images(2))
    assert not any("downsample.1" in name for name in moved_names(adapter, before))


def test_statistics_move_as_often_as_published(network):
    adapter = build_adapter("tipi", network)
    adapter.update(images(2))
    first = next(tipi.pairs(adapter.model.network))
    assert int(first.main.num_batches_tracked) == 1
    assert int(first.adv.num_batches_tracked) == 2
    assert not torch.equal(first.main.running_mean, first.adv.running_mean)
    zero_start = build_adapter("tipi", network, random_start=False)
    zero_start.update(images(2))
    assert int(next(tipi.pairs(zero_start.model.network)).adv.num_batches_tracked) == 1


def test_rate_follows_the_batch(network):
    adapter = build_adapter("tipi", network)
    adapter.update(images(4))
    assert adapter.optimizer.param_groups[0]["lr"] == pytest.approx(2.5e-4 / 64 * 4)
    adapter.update(images(1))
    assert adapter.optimizer.param_groups[0]["lr"] == pytest.approx(2.5e-4 / 64)


def test_attack_stays_in_the_ball_and_raises_the_divergence(network):
    adapter = build_adapter("tipi", network, epsilon=0.05)
    method, model, data = adapter.method, adapter.model, images(2)
    perturbed, clean, gradient = method.attack(model, data, torch.Generator().manual_seed(0))
    assert (perturbed - data).abs().max() <= 0.05 + 1e-6
    assert gradient.abs().max() > 0
    noise = 2 * torch.rand(data.shape, generator=torch.Generator().manual_seed(0)) - 1
    with torch.no_grad():
        start = method.divergence(clean, model.network(data + 0.05 * noise))
        end = method.divergence(clean, model.network(perturbed))
    assert end > start


def test_kl_is_zero_at_itself_and_its_direction_matters():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert tipi.kl_divergence(a, a).abs().item() < 1e-7
    p, q = b.softmax(1), a.softmax(1)
    assert tipi.kl_divergence(a, b, reverse=True).item() == pytest.approx(float((p * (p / q).log()).sum()))
    assert tipi.kl_divergence(a, b, reverse=False).item() == pytest.approx(float((q * (q / p).log()).sum()))


def test_edge_divergence_is_bernoulli_and_normal_ignores_length():
    clean, attacked = torch.tensor([[[[0.3]]]]), torch.tensor([[[[-1.2]]]])
    p, q = attacked.sigmoid(), clean.sigmoid()
    want = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert tipi.DIVERGENCES["probability"](clean, attacked, True).item() == pytest.approx(want.item(), rel=1e-5)
    normals = torch.randn(1, 3, 2, 2)
    assert tipi.DIVERGENCES["direction"](normals, 5 * normals, True).item() == pytest.approx(0, abs=1e-6)
    assert tipi.DIVERGENCES["scalar"](torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0), True).item() == 9


def test_divergence_weighs_tasks_as_at_source_time(network):
    method = create("tipi")
    clean = {"depth": torch.zeros(1, 1, 2, 2), "normal": torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)}
    attacked = {"depth": torch.full((1, 1, 2, 2), 2.0), "normal": torch.tensor([0, 1.0, 0]).view(1, 3, 1, 1)}
    assert method.divergence(clean, attacked).item() == pytest.approx(1.0 * 4 + 10.0 * 1)


def test_large_batches_may_be_read_with_their_own_statistics(network):
    data = images(65, 32, 32)
    adapters = {kind: build_adapter("tipi", network, large_batch=kind) for kind in ("running", "batch", "official")}
    before = adapters["running"].digest()
    outputs = {kind: adapter.predict(data)["depth"] for kind, adapter in adapters.items()}
    assert torch.equal(outputs["batch"], outputs["official"])
    assert not torch.allclose(outputs["batch"], outputs["running"], atol=1e-3)
    assert adapters["batch"].digest() == before
    assert adapters["official"].digest() != before
    small = adapters["official"].digest()
    adapters["official"].predict(data[:64])
    assert adapters["official"].digest() == small


def test_without_segmentation():
    network = small_network({"depth": 1, "normal": 3, "edge": 1})
    with pytest.raises(UserError, match="predicts classes") as caught:
        build_adapter("tipi", network)
    assert "tent_coeff=0" in caught.value.hint
    check_run(build_adapter("tipi", network, tent_coeff=0.0), sizes=(2, 1))


def test_unknown_words_are_refused():
    with pytest.raises(UserError, match="invariance"):
        create("tipi", {"invariance": "depth"})


def test_accidents_are_off_unless_asked_for():
    method = create("tipi")
    assert method.random_start
    assert not method.skip_sequential
    assert method.large_batch == "running"
