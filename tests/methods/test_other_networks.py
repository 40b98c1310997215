"""Every method on networks that are not the paper's: MTI-Net, group norm, layer norm; it runs or says why not."""

import copy

import pytest
import torch
from torch import nn

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.method import registry
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.synthetic import CLASSES, fitted_model, random_images

OUTPUTS = {"semseg": CLASSES, "depth": 1, "normal": 3, "edge": 1}
SIZE = (64, 64)
NETWORKS = {
    "mtinet": NetworkConfig("resnet10", architecture="mtinet"),
    "group norm": NetworkConfig("resnet26_gn"),
    "layer norm": NetworkConfig("timm:test_convnext"),
    "tokens": NetworkConfig("timm:test_vit"),
}
NO_CHANGE = {("group norm", "bn"), ("layer norm", "bn"), ("tokens", "bn")}
"""Methods whose definition leaves nothing to do there."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", sorted(registry.discover()))
def test_a_method_adapts_any_network_and_resets_it(name, kind):
    if NETWORKS[kind].backbone.startswith("timm:"):
        pytest.importorskip("timm")
    torch.manual_seed(0)
    method = registry.create(name)
    model = fitted_model(method, make_network(NETWORKS[kind], OUTPUTS), SIZE, batch=2, iterations=1)
    adapter = Adapter(copy.deepcopy(model), method, method.native)
    before, digest = {k: v.clone() for k, v in adapter.model.state_dict().items()}, adapter.digest()
    random = torch.get_rng_state()
    loss = adapter.update(random_images(2, SIZE, 3))
    assert loss is None or torch.isfinite(loss)
    after = adapter.model.state_dict()
    moved = [key for key in before if not torch.equal(before[key], after[key])]
    assert bool(moved) == (method.adapts and (kind, name) not in NO_CHANGE), moved
    heads = {key for key in moved if key.startswith("network.heads.")}
    assert not {key for key in heads if "running" not in key and "num_batches" not in key}, "heads stay as trained"
    answers = adapter.predict(random_images(2, (64, 96), 4))
    assert {task: tuple(answer.shape) for task, answer in answers.items()} == {
        task: (2, count, 64, 96) for task, count in OUTPUTS.items()
    }
    adapter.reset()
    assert adapter.digest() == digest
    assert torch.equal(random, torch.get_rng_state())


def test_tent_and_tipi_move_affine_parameters_of_norms_only():
    for name in ("tent", "tipi"):
        torch.manual_seed(0)
        network = make_network(NetworkConfig("resnet26_gn"), OUTPUTS)
        method = registry.create(name)
        adapter = Adapter(fitted_model(method, network, SIZE), method, method.native)
        affine = {id(p) for m in network.modules() if isinstance(m, nn.GroupNorm) for p in m.parameters()}
        assert {id(p) for p in adapter.parameters} == affine


def test_layouts_of_batch_norm_networks_are_refused_elsewhere():
    from ttt_bench.errors import UserError

    network = make_network(NetworkConfig("resnet26_gn"), OUTPUTS)
    with pytest.raises(UserError, match=r"actmad\(layers=block_ends.*batch norm"):
        fitted_model(registry.create("actmad", {"layers": "block_ends"}), network, SIZE)
    whole = make_network(NetworkConfig("hrnet18"), OUTPUTS)
    with pytest.raises(UserError, match=r"ttt\(head=stage\)"):
        registry.create("ttt", {"head": "stage"}).auxiliary(whole)
