"""The audit passes every method of the project and catches plug-ins that break the contract."""

import pytest
import torch

from ttt_bench.audit import checks
from ttt_bench.audit.checks import audit
from ttt_bench.audit.footprint import footprint
from ttt_bench.audit.toy import make_toy
from ttt_bench.method.declared import read_method
from ttt_bench.method.registry import create, discover, load
from ttt_bench.plugins import PluginFile

GOOD = '''
from dataclasses import dataclass
import torch
from ttt_bench.method.contract import Card, Method, OptimizerSpec, norm_affine

CACHE = []

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


PROCESS = "Settings and functions shared by all methods stay as they are"
FLAGS = "No hook, flag or mode leaks out of a step"
RANDOM = "Only the generator handed in is used"
TWICE = "Two runs are bit-identical, whatever ran between them"
FROZEN = "Only the parameters it declares are moved"


@pytest.mark.parametrize(
    ("body", "check"),
    [
        ("model.network.encoder.register_forward_hook(lambda *a: None)", FLAGS),
        ("model.network.encoder.conv1.weight.requires_grad_(True)", FLAGS),
        ("model.calls = getattr(model, 'calls', 0) + 1", FLAGS),
        ("model.network.encoder.bn1.momentum = 0.5", FLAGS),
        ("torch.rand(1)", RANDOM),
        ("torch.manual_seed(1)", RANDOM),
        ("import numpy; numpy.random.seed(1)", RANDOM),
        ("images.mul_(0.5)", "The images are not changed in place"),
        ("model.seen = getattr(model, 'seen', 0) + 1; model.network.register_buffer('n', torch.tensor(model.seen))",
         "After reset all state equals the source's"),
        ("torch.set_num_threads(torch.get_num_threads() + 1)", PROCESS),
        ("torch.set_float32_matmul_precision('medium')", PROCESS),
        ("torch.set_default_dtype(torch.float64); torch.set_default_dtype(torch.float16)", PROCESS),
        ("torch.backends.mkldnn.set_flags(False)", PROCESS),
        ("import numpy; numpy.seterr(all='raise')", PROCESS),
        ("torch.nn.functional.softplus = lambda x: x", PROCESS),
        ("import os; os.environ['PLUG'] = '1'", ""),
        ("CACHE.append(1)", "Nothing is kept on the method or in its module"),
        ("type(self).seen = getattr(type(self), 'seen', 0) + 1", "Nothing is kept on the method or in its module"),
        ("CACHE.append(1); images = images + 0.01 * len(CACHE)", TWICE),
        ("next(model.network.encoder.layer1.parameters()).data.mul_(1.01)", FROZEN),
        ("model.network.heads.train(); next(model.network.heads.parameters()).data.add_(0.1)",
         "The task heads stay as trained"),
        ("assert images.shape[0] > 1", "A batch of one image works or is refused clearly"),
        ("raise SystemExit(0)", TWICE),
        ("images = images.reshape(-1, 3, 64, 64) if images.shape[-1] == 64 else 1 / 0",
         "A non-square image works or is refused clearly"),
        ("model.network(images)['depth']", "A part of the tasks works or is refused clearly"),
    ],
)  # fmt: skip
def test_careless_plug_ins_are_caught(tmp_path, body, check):
    """By the check that is meant for it alone: the whole audit of each would take minutes."""
    method = plug(tmp_path, body)
    chosen = [each for each in checks.CHECKS if not check or checks.title(each) == check]
    toy = make_toy(method)
    found = [checks.run(each, toy) for each in chosen[: 1 if check else 3]]
    assert len(found) >= 1
    assert {f.status for f in found} == ({"failed"} if check else {"passed"}), found


@pytest.mark.parametrize(
    ("predicts", "check"),
    [
        ("{}", "Predicting changes nothing and can be repeated"),
        ("{'depth': model.network(images)['depth']}", "Predicting changes nothing and can be repeated"),
        ("{t: p[..., ::2, ::2] for t, p in model.network(images).items()}",
         "Predicting changes nothing and can be repeated"),
        ("{t: p + torch.rand(1) for t, p in model.network(images).items()}", RANDOM),
    ],
)  # fmt: skip
def test_incomplete_predictions_are_caught(tmp_path, predicts, check):
    method = plug(tmp_path, **{"    def updated(": f"    def predict(self, model, images):\n        return {predicts}\n"
                                                  "    def updated("})  # fmt: skip
    chosen = [each for each in checks.CHECKS if checks.title(each) == check]
    assert [checks.run(each, make_toy(method)).status for each in chosen] == ["failed"]


def test_what_the_audit_saw_is_put_back(tmp_path):
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled
    method = plug(tmp_path, "torch.set_num_threads(3); torch.backends.mkldnn.set_flags(False)")
    checks.run(checks.single_image, make_toy(method))
    assert (torch.get_num_threads(), torch.backends.mkldnn.enabled) == before


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
    assert all(name.startswith("network.encoder") for name in adapter_free)
    assert len(adapter_free) == 2 * 12  # ResNet-10: stem, 8 in blocks, 3 shortcuts
