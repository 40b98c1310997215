from __future__ import annotations

import pytest
import torch
from parity_adapters.plugin import plugin
from tent_family import build_adapter, check_branch_trains, check_run, images, moved_names, small_network, state_of
from torch import nn

from ttt_bench.errors import UserError
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.fused import resize
from ttt_bench.toolbox.views import square_crops

ttt = plugin("ttt")


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.mark.parametrize("recipe", ["native", "paper"])
def test_five_ragged_updates_and_reset(network, recipe):
    check_run(build_adapter("ttt", network, recipe))


@pytest.mark.parametrize("options", [{"head": "stage"}, {"views": 1}, {"crop": 1.0}, {"update_head": False}])
def test_every_option_runs(network, options):
    check_run(build_adapter("ttt", network, **options), sizes=(2, 3))


def test_a_size_that_is_no_multiple_of_32(network):
    check_run(build_adapter("ttt", network), sizes=(2, 1), height=70, width=54)


@pytest.mark.parametrize("tasks", [{"semseg": 6, "normal": 3, "edge": 1}, {"depth": 1}])
def test_any_tasks(tasks):
    check_run(build_adapter("ttt", small_network(tasks)), sizes=(2,))


def test_parameter_count_is_the_papers():
    with torch.device("meta"):
        network = make_network(NetworkConfig("resnet50"), {"semseg": 7, "depth": 1, "normal": 3, "edge": 1})
        head = create("ttt").auxiliary(network)
    assert sum(p.numel() for p in [*network.parameters(), *head.parameters()]) == 27_491_408


@pytest.mark.parametrize("head", ["pooled", "stage"])
@pytest.mark.parametrize("rotations", ["random", "expand"])
def test_branch_trains_frozen_and_joint(head, rotations):
    check_branch_trains("ttt", head=head, source_rotations=rotations)


def test_pooling_levels_equals_pooling_the_concatenation(network):
    head = ttt.PooledHead(network.channels)
    with torch.no_grad():
        levels = network.features(images(2, 64, 64))
        grid = levels[0].shape[-2:]
        concatenation = torch.cat([resize(level, (grid[0], grid[1])) for level in levels], 1)
        torch.testing.assert_close(head(levels), head.layers(concatenation.mean((2, 3))))


def test_rotations_are_quarter_turns_counter_clockwise():
    x = torch.arange(9.0).view(1, 1, 3, 3).repeat(4, 1, 1, 1)
    turned = ttt.rotate(x, torch.tensor([0, 1, 2, 3]))
    assert turned[1, 0, 0].tolist() == [2, 5, 8]
    assert torch.equal(turned[2, 0], x[0, 0].flip(0, 1))
    assert turned[3, 0, 0].tolist() == [6, 3, 0]
    expanded, labels = ttt.all_rotations(x[:2])
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(expanded[2:4], turned[1:2].repeat(2, 1, 1, 1))


def test_crops_are_square_pieces_of_their_image():
    x = torch.arange(2 * 8 * 12.0).view(2, 1, 8, 12)
    crops = square_crops(x, 3, 0.5, torch.Generator().manual_seed(0))
    assert crops.shape == (6, 1, 4, 4)
    for index, crop in enumerate(crops):
        assert set(crop.unique().tolist()) <= set(x[index // 3].unique().tolist())
        assert crop[0, 1, 0] - crop[0, 0, 0] == 12
    assert len({float(c.sum()) for c in crops}) > 2


def test_encoder_and_head_move_and_task_heads_do_not(network):
    adapter = build_adapter("ttt", network)
    before = state_of(adapter)
    adapter.update(images(2))
    moved = moved_names(adapter, before)
    assert any(n.startswith("aux.") for n in moved)
    assert "network.encoder.conv1.weight" in moved
    assert not any(n.startswith("network.heads.") for n in moved)


def test_head_can_be_left_as_trained(network):
    adapter = build_adapter("ttt", network, update_head=False)
    before = state_of(adapter)
    adapter.update(images(2))
    assert not any(n.startswith("aux.") for n in moved_names(adapter, before))


def test_running_statistics_move_once_per_update_unless_fixed(network):
    for train_mode, count in ((True, 1), (False, 0)):
        adapter = build_adapter("ttt", network, train_mode=train_mode, head="stage")
        adapter.update(images(2))
        norms = [m for m in adapter.model.modules() if isinstance(m, nn.BatchNorm2d)]
        used = [m for n, m in adapter.model.named_modules() if isinstance(m, nn.BatchNorm2d) and "r.layer4" not in n]
        assert {int(m.num_batches_tracked) for m in used} == {count}
        assert len(used) < len(norms)


def test_same_seed_same_views(network):
    losses = [float(build_adapter("ttt", network, seed=s).update(images(2))) for s in (5, 5, 6)]
    assert losses[0] == losses[1] != losses[2]


def test_unknown_head_is_refused():
    with pytest.raises(UserError, match="head=layer4"):
        create("ttt", {"head": "layer4"})
