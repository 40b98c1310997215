"""The arithmetic of a run: what it changes, what it leaves alone, where it is refused."""

import copy
from dataclasses import replace

import pytest
import torch
from tiny_sweep import TINY

from ttt_bench.adaptation.adapter import Adapter
from ttt_bench.adaptation.execution import Execution, float32_products
from ttt_bench.cell.run import make_adapter
from ttt_bench.errors import UserError
from ttt_bench.method import registry
from ttt_bench.method.card import PAPER_RECIPE
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.store.trajectory import Trajectory
from ttt_bench.synthetic import fitted_model, random_images

SIZE = (64, 64)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    network = make_network(NetworkConfig("resnet10", "conv"), {"semseg": 5, "depth": 1, "normal": 3, "edge": 1})
    return fitted_model(registry.create("tent"), network, SIZE, iterations=1)


def adapter_of(model, device="cpu", **execution):
    method = registry.create("tent")
    return Adapter(copy.deepcopy(model).to(device), method, method.native, 0, Execution(**execution))


def test_bf16_is_close_to_fp32_and_keeps_parameters_in_32_bits(model, device):
    images = random_images(4, SIZE, 1).to(device)
    exact, short = adapter_of(model, device), adapter_of(model, device, precision="bf16")
    losses = [float(adapter.update(images)) for adapter in (exact, short)]
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert {p.dtype for p in short.model.parameters()} == {torch.float32}
    want, got = exact.predict(images), short.predict(images)
    for task, prediction in got.items():
        assert prediction.dtype == torch.float32
        assert not torch.equal(prediction, want[task])
        torch.testing.assert_close(prediction, want[task], rtol=0.1, atol=0.1)


def test_a_compiled_encoder_gives_the_same_numbers(model, monkeypatch):
    compiled = []
    original = torch.compile

    def quick(forward, **options):
        compiled.append(type(forward.__self__).__name__)
        return original(forward, backend="aot_eager", **options)  # without a code generator, which takes a minute

    monkeypatch.setattr(torch, "compile", quick)
    images = random_images(4, SIZE, 1)
    eager, fused = adapter_of(model), adapter_of(model, compiled=True)
    assert compiled == ["ResNetEncoder"]
    for _ in range(2):
        assert float(fused.update(images)) == pytest.approx(float(eager.update(images)), rel=1e-5)
    assert fused.cost == eager.cost
    fused.reset()
    eager.reset()
    for task, prediction in fused.predict(images).items():
        torch.testing.assert_close(prediction, eager.predict(images)[task], rtol=1e-4, atol=1e-5)


def test_tf32_is_refused_on_the_cpu_before_anything_is_done(run, tmp_path):
    with pytest.raises(UserError, match="--precision tf32 is not to be had on cpu"):
        Execution("tf32").check("cpu")
    code, _, err = run("sweep", *TINY, "--precision", "tf32", "--device", "cpu")
    assert code == 2
    assert "--precision tf32" in err
    assert not (tmp_path / "results/main/cells").exists()


def test_products_are_what_was_asked_for_and_torch_is_left_as_it_was():
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_tf32, cudnn.allow_tf32)
    for precision, wanted in (("fp32", False), ("tf32", True), ("bf16", False)):
        with float32_products(precision):
            assert (matmul.allow_tf32, cudnn.allow_tf32) == (wanted, wanted)
        assert (matmul.allow_tf32, cudnn.allow_tf32) == before
    with pytest.raises(KeyError), float32_products("tf32"):
        raise KeyError
    assert (matmul.allow_tf32, cudnn.allow_tf32) == before


def test_execution_is_part_of_a_cells_identity_and_not_of_its_source(model):
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods("tent")), size=(32, 32))
    cells = [
        make_plan(replace(config, **changes)).cells[-1]
        for changes in ({}, {"precision": "bf16"}, {"compiled": True})
    ]  # fmt: skip
    assert len({cell.id for cell in cells}) == 3
    assert len({cell.branch.id for cell in cells}) == 1
    assert [cell.describe()["compiled"] for cell in cells] == [False, False, True]
    adapters = [
        make_adapter(replace(c, recipe="paper"), registry.create("tent"), copy.deepcopy(model)) for c in cells[:2]
    ]
    assert [adapter.execution for adapter in adapters] == [Execution(), Execution("bf16")]
    assert {adapter.spec for adapter in adapters} == {PAPER_RECIPE}
    assert [cell.describe()["precision"] for cell in cells] == ["fp32", "bf16", "fp32"]


@pytest.mark.slow
def test_a_bf16_sweep_is_told_apart_in_the_report(run, tmp_path):
    assert run("sweep", *TINY, "--no-figures")[0] == 0
    code, out, err = run("sweep", *TINY, "--no-figures", "--precision", "bf16")
    assert code == 0, err
    cells = [Trajectory.load(path) for path in (tmp_path / "results/main/cells").glob("*.npz")]
    assert sorted(c.provenance["precision"] for c in cells) == ["bf16"] * 3 + ["fp32"] * 3
    assert "bf16" in (tmp_path / "results/main/report.md").read_text(), out
