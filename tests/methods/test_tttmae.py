from __future__ import annotations

import copy

import pytest
import torch
from tent_family import images, moved_names, small_network, source_batch, state_of

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.errors import UserError
from ttt_bench.method.contract import Model, SourceBatch
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.toolbox.mae.patches import patchify, unpatchify
from ttt_bench.toolbox.mae.pixels import hide, removed_error, standardised


@pytest.fixture(scope="module")
def network():
    return small_network()


def class_network():
    torch.manual_seed(0)
    return make_network(NetworkConfig("resnet10", stem="cifar"), {"class": 4}, ("class",)).eval()


def adapter_of(network, **options):
    method = create("tttmae", options)
    torch.manual_seed(3)
    network = copy.deepcopy(network)
    return Adapter(Model(network, method.auxiliary(network)), method, method.native)


@pytest.mark.parametrize("options", [{}, {"copies": 2, "patch": 16, "running": "masked"}, {"moving": "all"}], ids=str)
def test_updates_move_the_encoder_and_reset(network, options):
    adapter = adapter_of(network, **options)
    start, before = adapter.digest(), state_of(adapter)
    assert torch.isfinite(adapter.update(images(1, 70, 80)))
    moved = moved_names(adapter, before)
    assert "network.encoder.layer4.0.conv2.weight" in moved
    assert any(name.startswith("aux.") for name in moved) == (options.get("moving") == "all")
    assert not [name for name in moved if name.startswith("network.heads")]
    adapter.reset()
    assert adapter.digest() == start


def test_running_statistics_come_from_clean_images_unless_asked_for(network):
    data = images(2, 32, 32)
    clean = copy.deepcopy(network).train()
    with torch.no_grad():
        clean.features(data)
    for running in ("clean", "masked"):
        adapter = adapter_of(network, running=running)
        # Statistics alone: a rate of zero leaves weights as they are.
        adapter.spec = type(adapter.spec)("sgd", lr=0.0)
        adapter.update(data)
        same = torch.allclose(adapter.model.network.encoder.bn1.running_mean, clean.encoder.bn1.running_mean)
        assert same == (running == "clean")
        assert {m.momentum for m in adapter.model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}


def test_joint_training_reaches_encoder_and_decoder_and_keeps_statistics():
    network = small_network().train()
    method = create("tttmae", {"patch": 16})
    model = Model(network, method.auxiliary(network)).train()
    batch = source_batch(network, 2, 32, 32)
    before = network.encoder.bn1.running_mean.clone()
    method.source_loss(model, batch, torch.Generator().manual_seed(0)).backward()
    assert network.encoder.conv1.weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in model.aux.parameters())
    assert torch.equal(network.encoder.bn1.running_mean, before)


@pytest.mark.parametrize("moving", ["encoder", "all", "encoder_no_tokens"])
def test_small_vit_adapts_and_answers(moving):
    adapter = adapter_of(class_network(), backbone="vit_tiny", copies=1, moving=moving)
    before = state_of(adapter)
    adapter.update(images(2, 16, 20))
    moved = moved_names(adapter, before)
    assert "aux.blocks.0.attn.qkv.weight" in moved
    assert ("aux.mask_token" in moved) == (moving != "encoder_no_tokens")
    assert ("aux.decoder_pred.weight" in moved) == (moving == "all")
    assert not [name for name in moved if "classifier" in name]
    assert adapter.predict(images(2, 16, 20))["class"].shape == (2, 4)


def test_small_vit_learns_its_class_on_the_source():
    network = class_network()
    method = create("tttmae", {"backbone": "vit_tiny", "copies": 1})
    model = Model(network, method.auxiliary(network))
    batch = SourceBatch(images(2, 16, 16), {"class": torch.tensor([1, 3])}, [], {})
    method.source_loss(model, batch, torch.Generator().manual_seed(0)).backward()
    assert all(parameter.grad is not None for parameter in model.aux.parameters())


def test_small_vit_refuses_maps(network):
    with pytest.raises(UserError, match="one class per image"):
        create("tttmae", {"backbone": "vit_tiny"}).auxiliary(network)


def test_an_image_of_one_patch_is_refused(network):
    with pytest.raises(UserError, match="two patches"):
        adapter_of(network, patch=16).update(images(1, 16, 31))


def test_only_removed_patches_are_hidden_and_count():
    data = torch.rand(1, 3, 9, 8) + 1
    removed = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    hidden = hide(data, removed, 4)
    assert hidden[0, :, :4, :4].abs().sum() == 0
    assert torch.equal(hidden[0, :, 4:], data[0, :, 4:])
    patches = patchify(data[..., :8, :], 4)
    assert torch.equal(unpatchify(patches, 4, (2, 2)), data[..., :8, :])
    guess = patches.clone()
    guess[:, 1:] += 5
    assert removed_error(guess, patches, removed) == 0
    torch.testing.assert_close(standardised(patches).var(-1), torch.ones(1, 4), atol=1e-3, rtol=0)
