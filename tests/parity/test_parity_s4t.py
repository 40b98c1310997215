"""S4T against numbers of its published code: losses, schemes, metrics, masks, the branch, adaptation, data."""

from __future__ import annotations

import json

import pytest
import reference_cases
import torch
from reference_cases import cases, check

from ttt_bench.method.contract import Model
from ttt_bench.method.registry import create
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.parity.case import Case
from ttt_bench.parity.runner import run_case

GOLDEN, REFERENCE = reference_cases.GOLDEN / "s4t", reference_cases.REFERENCE / "s4t"
beside = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference vectors are not beside this checkout")


@pytest.mark.parametrize("case", cases(GOLDEN), ids=lambda case: case.name)
def test_golden(case: Case) -> None:
    check(case)


@beside
def test_reference_holds_every_case() -> None:
    assert len(cases(REFERENCE)) == 57


@pytest.mark.parametrize("case", cases(REFERENCE), ids=lambda case: case.name)
def test_reference(case: Case) -> None:
    check(case)


def test_no_case_is_answered_without_its_arrays() -> None:
    """A damaged expectation must fail: the comparison is not of our numbers with themselves."""
    case = next(c for c in cases(GOLDEN) if c.name == "scheme_nyud_ttt")
    check(case)
    damaged = Case(case.folder, case.entry)
    damaged.arrays["exp_total"] = case.arrays["exp_total"] * (1 + 1e-4)
    assert run_case(damaged).status == "failed"


@beside
def test_parameters_agree_with_the_release_module_by_module() -> None:
    """Names and shapes of the ResNet-50 model, of all modules but the position tables."""
    structure = json.loads((REFERENCE / "structure.json").read_text(encoding="utf-8"))
    want = structure["info"]["pretrain/nyud_taskonomy"]["by_module"]
    with torch.device("meta"):
        network = make_network(NetworkConfig(), {"semseg": 7, "depth": 1, "normal": 3, "edge": 1})
        model = Model(network, create("s4t").auxiliary(network))
    aux = model.aux

    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    got = {
        "backbone": count(network.encoder),
        "heads": count(network.heads),
        "joint_dec": count(aux.tbs),
        "ts_comp": count(aux.project),
        "aux_heads": count(aux.aux_heads),
    }
    assert got == want
