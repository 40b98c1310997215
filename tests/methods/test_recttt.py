from __future__ import annotations

import copy

import pytest
import torch
from tent_family import images, moved_names, small_network, source_batch, state_of

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.toolbox.cosine import hardest, map_distance, mutual_divergence


@pytest.fixture(scope="module")
def network():
    return small_network()


def adapter_of(network, **options):
    method = create("recttt", options)
    torch.manual_seed(3)
    network = copy.deepcopy(network)
    return Adapter(Model(network, method.auxiliary(network)), method, method.native)


@pytest.mark.parametrize(
    "options",
    [{}, {"heads": 1}, {"frozen": "random"}, {"levels": "1+3", "hard_mining": True}, {"stem_bn": "train"}],
    ids=str,
)
def test_updates_move_stem_and_first_stages_alone_and_reset(network, options):
    adapter = adapter_of(network, **options)
    start, before = adapter.digest(), state_of(adapter)
    assert torch.isfinite(adapter.update(images(2, 48, 80)))
    moved = moved_names(adapter, before)
    assert "aux.first.encoder.conv1.weight" in moved
    assert not [n for n in moved if "layer4" in n or "heads" in n or not n.startswith(("aux.first.", "aux.second."))]
    assert ("aux.second.encoder.layer3.0.conv1.weight" in moved) == (options.get("heads") != 1)
    stem_moved = not torch.equal(
        adapter.model.aux.first.encoder.bn1.running_mean, before["aux.first.encoder.bn1.running_mean"]
    )
    assert stem_moved == (options.get("stem_bn") == "train")
    for task, answer in adapter.predict(images(2, 48, 80)).items():
        assert answer.shape == (2, network.outputs[task], 48, 80)
    adapter.reset()
    assert adapter.digest() == start


def test_moments_survive_a_reset_only_if_asked(network):
    for kept in (False, True):
        adapter = adapter_of(network, reset_optimizer=not kept)
        adapter.update(images(2, 32, 32))
        adapter.reset()
        assert bool(adapter.optimizer.state_dict()["state"]) == kept


def test_dense_halves_are_mirrored_back_and_averaged_and_class_logits_summed():
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", stem="cifar"), {"class": 4, "normal": 3}, ("class",)).eval()
    adapter = adapter_of(network)
    data = images(2, 32, 32)
    with torch.no_grad():
        plain, flipped = network(data), network(data.flip(-1))
    answer = adapter.predict(data)
    torch.testing.assert_close(answer["class"], plain["class"] + flipped["class"])
    back = flipped["normal"].flip(-1) * torch.tensor([-1.0, 1.0, 1.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(answer["normal"], (plain["normal"] + back) / 2)


def test_source_loss_trains_all_but_the_frozen_encoder():
    network = small_network().requires_grad_(False)
    method = create("recttt", {"frozen": "random", "kl_axis": "batch"})
    model = Model(network, method.auxiliary(network))
    model.network.eval()
    model.aux.train()
    assert not model.aux.frozen.training
    batch = source_batch(network, 2, 32, 32)
    optimizer = torch.optim.Adam(model.aux.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        loss = method.source_loss(model, batch, torch.Generator())
        optimizer.zero_grad()
        loss.backward()
        for name, parameter in model.aux.named_parameters():
            assert name.startswith("frozen.") != (parameter.grad is not None), name
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert int(model.aux.first.encoder.layer4[0].bn1.num_batches_tracked) == 4


def test_hard_mining_cuts_gradients_and_keeps_the_value():
    target, guess = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4, requires_grad=True)
    assert torch.equal(map_distance([target], [guess]), map_distance([target], [guess], 0.5))
    map_distance([target], [guess], 0.5).backward()
    share = (guess.grad.abs().sum(1) == 0).float().mean()
    assert 0.4 < share < 0.9
    assert torch.equal(hardest(target, guess, 0.5), guess)


def test_divergence_is_zero_for_equal_logits_and_depends_on_the_axis():
    one, other = torch.randn(5, 3), torch.randn(5, 3)
    for axis in (0, 1):
        torch.testing.assert_close(mutual_divergence(one, one, axis), torch.tensor(0.0))
    assert not torch.isclose(mutual_divergence(one, other, 0), mutual_divergence(one, other, 1))
