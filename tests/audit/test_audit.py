"""The audit passes every method of the project and catches plug-ins that break the contract."""

import pytest
import torch

from ttt_bench.audit.checks import audit, footprint
from ttt_bench.method.declared import read_method
from ttt_bench.method.registry import create, discover, load
from ttt_bench.plugins import PluginFile

GOOD = '''
from dataclasses import dataclass
import torch
from ttt_bench.method.contract import Card, Method, OptimizerSpec, norm_affine

@dataclass(frozen=True)
class Plug(Method):
    """A plug-in."""
    name = "plug"
    card = Card(title="Plug", paper="none", venue="", equation="x", updates="x")
    native = OptimizerSpec("sgd", lr=0.1)
    def updated(self, model):
        return norm_affine(model.network)
    def loss(self, model, images, rng):
        BODY
        return model.network(images)["semseg"].square().mean()
'''


def plug(tmp_path, body="pass", **changes):
    text = GOOD.replace("BODY", body)
    for old, new in changes.items():
        text = text.replace(old, new)
    path = tmp_path / f"plug{abs(hash(text))}.py"
    path.write_text(text)
    return load(read_method(PluginFile("method", path, outside=True)))()


def failed(method):
    return {finding.check for finding in audit(method) if finding.status == "failed"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(discover()))
def test_every_method_holds_the_contract(name):
    findings = audit(create(name))
    assert not [f for f in findings if f.status == "failed"], findings
    refused = [f for f in findings if f.status == "refused"]
    assert all(f.detail for f in refused)


def test_a_good_plug_in_passes(tmp_path):
    assert failed(plug(tmp_path)) == set()


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("model.network.encoder.register_forward_hook(lambda *a: None)", "No hook, flag or mode leaks out of a step"),
        ("model.network.encoder.conv1.weight.requires_grad_(True)", "No hook, flag or mode leaks out of a step"),
        ("torch.rand(1)", "Only the generator handed in is used"),
        ("images.mul_(0.5)", "The images are not changed in place"),
        ("model.seen = getattr(model, 'seen', 0) + 1; model.network.register_buffer('n', torch.tensor(model.seen))",
         "After reset all state equals the source's"),
        ("images = images + 0.01 * torch.randn(1, generator=torch.Generator().manual_seed(id(images) % 9973 + "
         "torch.seed() % 9973))", "Two runs are bit-identical"),
        ("assert images.shape[0] > 1", "A batch of one image works or is refused clearly"),
        ("images = images.reshape(-1, 3, 64, 64) if images.shape[-1] == 64 else 1 / 0",
         "A non-square image works or is refused clearly"),
        ("model.network(images)['depth']", "Three tasks work or are refused clearly"),
    ],
)  # fmt: skip
def test_broken_plug_ins_are_caught(tmp_path, body, check):
    assert check in failed(plug(tmp_path, body))


def test_moving_the_heads_must_be_declared(tmp_path):
    undeclared = plug(tmp_path, **{"norm_affine(model.network)": "list(model.network.heads.parameters())"})
    assert failed(undeclared) == {"The task heads stay as trained"}
    declared = plug(
        tmp_path,
        **{
            "norm_affine(model.network)": "list(model.network.heads.parameters())",
            'name = "plug"': 'name = "plug"\n    moves_heads = True',
        },
    )
    assert failed(declared) == set()


def test_footprint_names_what_moved():
    moved = footprint(create("bn"))
    assert moved
    assert all((m.kind == "buffer" and "running" in m.name) or "num_batches" in m.name for m in moved)
    tent = footprint(create("tent"))
    assert {m.kind for m in tent} == {"parameter"}
    assert all(m.relative > 0 for m in tent)
    assert footprint(create("base")) == []


def test_footprint_of_tent_is_every_batch_norm():
    adapter_free = {m.name for m in footprint(create("tent"))}
    assert all(torch.is_tensor(torch.zeros(1)) and name.startswith("network.encoder") for name in adapter_free)
    assert len(adapter_free) == 2 * 12  # ResNet-10: stem, 8 in blocks, 3 shortcuts
