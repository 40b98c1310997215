from __future__ import annotations

import math

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import (
    build_adapter,
    build_model,
    check_branch_trains,
    check_run,
    images,
    moved_names,
    small_network,
    state_of,
)
from torch import nn

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create

tttpp = plugin("tttpp")


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_five_ragged_updates_and_reset(network, recipe):
    check_run(build_adapter("tttpp", network, recipe, queue=24))


@pytest.mark.parametrize(
    "options",
    [
        {"parts": "ssl"},
        {"parts": "align", "queue": 0},
        {"queue": 0},
        {"queue": 16, "queue_aliasing": True, "align_early": True},
        {"queue": 4, "update_head": True},
        {"view_size": 48},
    ],
)
def test_every_option_runs(network, options):
    check_run(build_adapter("tttpp", network, **options), sizes=(8, 4, 1))


@pytest.mark.parametrize("tasks", [{"semseg": 6, "normal": 3, "edge": 1}, {"depth": 1}])
def test_any_tasks(tasks):
    check_run(build_adapter("tttpp", small_network(tasks), queue=8), sizes=(4, 4))


def test_branch_trains_frozen_and_joint():
    check_branch_trains("tttpp")


def test_head_size_is_the_papers():
    head = tttpp.Branch(2048).head
    assert sum(p.numel() for p in head.parameters()) == 4_458_624


def test_only_the_encoder_moves(network):
    adapter = build_adapter("tttpp", network, queue=8)
    before = state_of(adapter)
    adapter.update(images(8))
    moved = moved_names(adapter, before)
    assert "network.encoder.conv1.weight" in moved
    assert all(n.startswith("network.encoder.") for n in moved)


def test_three_forwards_move_the_statistics(network):
    for parts, count in (("both", 3), ("ssl", 1)):
        adapter = build_adapter("tttpp", network, queue=8, parts=parts)
        adapter.update(images(8))
        norms = [m for m in adapter.model.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {int(m.num_batches_tracked) for m in norms} == {count}


def test_alignment_starts_when_the_queue_is_full(network):
    adapter = build_adapter("tttpp", network, parts="align", queue=24)
    assert [adapter.update(images(8, seed=s)) is None for s in range(4)] == [True, True, False, False]
    adapter.reset()
    assert adapter.update(images(8)) is None
    early = build_adapter("tttpp", network, parts="align", queue=24, align_early=True)
    assert early.update(images(8)) is not None


def test_warm_up_moves_statistics_only(network):
    adapter = build_adapter("tttpp", network, queue=0, warmup=2, delay=1)
    before = state_of(adapter)
    assert adapter.update(images(4)) is None
    assert adapter.update(images(4)) is None
    assert not moved_names(adapter, before)
    assert not torch.equal(adapter.model.network.encoder.bn1.running_mean, before["network.encoder.bn1.running_mean"])
    contrast_only, both = adapter.update(images(4)), adapter.update(images(4))
    assert contrast_only is not None
    assert both is not None
    assert moved_names(adapter, before)
    assert both > contrast_only


def rows(*numbers):
    return torch.tensor([[float(n)] for n in numbers])


def test_queue_joins_before_it_pushes():
    queue = tttpp.FeatureQueue(6, 1)
    seen = [queue.join(rows(2 * i, 2 * i + 1))[:, 0].tolist() for i in range(5)]
    assert seen[:2] == [[0, 1], [2, 3]]
    assert [sorted(s) for s in seen[2:]] == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], [4, 5, 6, 7, 8, 9]]
    assert seen[4][:2] == [8, 9]


def test_official_queue_counts_the_current_batch_twice():
    queue = tttpp.FeatureQueue(6, 1)
    seen = [queue.join(rows(2 * i, 2 * i + 1), aliasing=True)[:, 0].tolist() for i in range(4)]
    assert sorted(seen[3]) == [4, 5, 6, 6, 7, 7]


def test_queue_takes_ragged_and_oversized_batches_and_keeps_no_graph():
    queue = tttpp.FeatureQueue(5, 1)
    for numbers in ((0, 1), (2,), (3, 4, 5), (6, 7, 8, 9, 10, 11, 12), (13,)):
        joined = queue.join(rows(*numbers).requires_grad_())
    assert sorted(joined[:, 0].tolist()) == [10, 11, 12, 13]
    assert not queue.rows.requires_grad
    small = tttpp.FeatureQueue(2, 1)
    assert small.join(rows(1, 2, 3)).shape == (3, 1)
    assert small.completes(3)


def test_contrastive_loss_has_the_published_factor():
    same = torch.ones(4, 2, 3) / math.sqrt(3)
    assert tttpp.nt_xent(same, 0.5).item() == pytest.approx(0.5 / 0.07 * math.log(7), rel=1e-5)
    single = torch.randn(1, 2, 3, requires_grad=True)
    loss = tttpp.nt_xent(single, 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.isfinite(single.grad).all()


def test_moments_match_numpy_and_survive_a_single_sample():
    features = torch.randn(7, 4, dtype=torch.double)
    torch.testing.assert_close(tttpp.covariance(features), torch.cov(features.T))
    assert tttpp.covariance(features[:1]).abs().sum() == 0


def test_first_group_is_only_the_anchor():
    rest = torch.randn(18, 3)
    moments = tttpp.source_moments(torch.cat([torch.randn(6, 3) + 100, rest, torch.randn(5, 3) - 50]), 6)
    torch.testing.assert_close(moments["mean"], rest.mean(0))
    torch.testing.assert_close(moments["covariance"], torch.cov(rest.T))
    assert moments["mmd_mean"] > 9000
    assert int(moments["group"]) == 6


def test_alignment_is_the_scale_at_source_level_noise():
    features = torch.randn(4000, 3)
    moments = tttpp.source_moments(features, 16)
    bank = tttpp.StatisticsBank()
    bank.store(**{f"ext_{name}": value for name, value in moments.items()})
    values = [tttpp.alignment(bank, "ext", torch.randn(16, 3), 0.05).item() for _ in range(400)]
    # Source-level noise is between two groups, here one side is the whole source: about half of it.
    assert 0.4 < sum(values) / len(values) / (0.05 * 1.5) < 0.8


def test_statistics_regroup_to_the_queue_and_are_stored(network):
    method = create("tttpp", {"queue": 16})
    model = build_model(method, network)
    bank = model.aux.bank
    assert bank["ext_mean"].shape == (512,)
    assert bank["ssh_covariance"].shape == (128, 128)
    assert int(bank["ext_group"]) == 16
    with torch.no_grad():
        features = torch.cat([model.network.features(images(8, seed=100 + i))[-1].mean((2, 3)) for i in range(6)])
    torch.testing.assert_close(bank["ext_mean"], features[16:].mean(0))
    again = Model(network, method.auxiliary(network))
    again.aux.load_state_dict(model.aux.state_dict())
    assert torch.equal(again.aux.bank["ssh_coral_mean"], bank["ssh_coral_mean"])


def test_queue_is_never_longer_than_half_the_source(network):
    adapter = build_adapter("tttpp", network)
    assert adapter.model.aux.queue_ext.capacity == 24


def test_too_few_source_images(network):
    method = create("tttpp")
    model = Model(network, method.auxiliary(network)).eval()
    with torch.no_grad(), pytest.raises(UserError, match="3 source images"):
        method.source_statistics(model, [images(3)], torch.Generator())


def test_statistics_are_required(network):
    method = create("tttpp")
    model = Model(network, method.auxiliary(network)).eval()
    with pytest.raises(UserError, match="no source statistics"):
        method.prepare(model)


def test_accidents_are_off_unless_asked_for(network):
    def third(**options):
        adapter = build_adapter("tttpp", network, parts="align", queue=24, **options)
        return [adapter.update(images(8, seed=s)) for s in range(3)][-1]

    assert torch.equal(third(), third(queue_aliasing=False, align_early=False))
    assert not torch.equal(third(), third(queue_aliasing=True))
