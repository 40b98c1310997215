"""Methods as asked for: their text, what differs from the published method, and the optimiser they adapt with."""

from dataclasses import replace

import pytest
from tiny_sweep import TINY

from ttt_bench.cell.run import make_adapter
from ttt_bench.errors import UserError
from ttt_bench.method.card import PAPER_RECIPE, OptimizerSpec
from ttt_bench.method.configured import MethodCall, configure, resolve
from ttt_bench.method.registry import create, discover, find, parse_methods
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory

NATIVE = OptimizerSpec("sgd", lr=1e-2, momentum=0.9, nesterov=True, weight_decay=5e-4)


def last(text):
    return parse_methods(text)[-1]


def cell(text, **changes):
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=(last(text),), size=(32, 32))
    [only] = make_plan(replace(config, **changes)).cells
    return only


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["tent", "tent(lr=0.0001)", "s4t(mask_ratio=0.5,projection=false,lr=1e-07,optimizer=adamw)", "tipi(lr_per_sample=1e-09)",
     "ttt(momentum=0.5,weight_decay=0.123456789)", "clust3(stages=1+3)"],
)  # fmt: skip
def test_the_text_of_a_call_reads_back_as_the_same_call(text):
    assert last(last(text).label) == last(text)


def test_the_text_names_what_differs_and_nothing_else():
    assert last("s4t( mask_ratio = 0.8 , lr=1e-4 , strategy=random )").label == "s4t(strategy=random,lr=0.0001)"
    assert last("s4t(mask_ratio=0.8)") == last("s4t")


def test_a_call_knows_its_source_part_and_its_options():
    call = last("s4t(mask_ratio=0.5,loss_weight=1,lr=1e-3)")
    assert call.changed == {"mask_ratio": 0.5, "loss_weight": 1.0, "lr": 1e-3}
    assert call.source_part["mask_ratio"] == 0.5
    assert call.source_part.keys() == set(find("s4t").source_options)
    assert call.options == {**find("s4t").options, **call.changed}
    assert call.with_options(mask_ratio=0.8, lr=1e-5).label == "s4t(loss_weight=1,lr=1e-05)"


@pytest.mark.parametrize(
    "text",
    ["tent(lr=1e-4", "tent)", "tent(lr=1)(lr=2)", "tent(lr=1)x", "tent(lr)", "tent(lr=)", "(lr=1)", "tent(lr=1,lr=2)",
     "tent(lrr=1)", "tent(lr=one)", "s4t(projection=2)", "s4t(patch=1.5)", "all(lr=1)", ""],
)  # fmt: skip
def test_what_is_no_call_is_refused(text):
    with pytest.raises(UserError):
        parse_methods(text)


# --- the optimiser ------------------------------------------------------------------------------


def test_without_settings_the_recipe_decides():
    assert resolve(NATIVE, "native", {}) == NATIVE
    assert resolve(NATIVE, "paper", {"mask_ratio": 0.5}) == PAPER_RECIPE
    for info in discover().values():
        assert MethodCall(info).optimizer("native") == info.native


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"lr": 1.0}, replace(NATIVE, lr=1.0)),
        ({"lr_per_sample": 1e-5}, replace(NATIVE, lr=0.0, lr_per_sample=1e-5)),
        ({"momentum": 0.0}, replace(NATIVE, momentum=0.0, nesterov=False)),
        ({"momentum": 0.5, "weight_decay": 0.0}, replace(NATIVE, momentum=0.5, weight_decay=0.0)),
        ({"optimizer": "adam"}, OptimizerSpec("adam", lr=1e-2, weight_decay=5e-4)),
        ({"optimizer": "adamw", "lr": 2.0}, OptimizerSpec("adamw", lr=2.0, weight_decay=5e-4)),
    ],
)
def test_settings_override_the_recipe(settings, expected):
    assert resolve(NATIVE, "native", settings) == expected


def test_a_rate_replaces_a_rate_per_sample():
    assert resolve(find("tipi").native, "native", {"lr": 0.5}).rate(64) == 0.5
    assert resolve(find("tent").native, "native", {"lr_per_sample": 0.5}).rate(64) == 32


@pytest.mark.parametrize(
    "text",
    ["base(lr=1e-3)", "bn(weight_decay=0)", "tent(lr=1,lr_per_sample=1)", "tent(lr=0)", "tent(lr=-1)", "tent(lr=nan)",
     "tent(lr=inf)", "tent(momentum=1)", "tent(momentum=-0.1)", "tent(weight_decay=-1)", "tent(optimizer=lion)"],
)  # fmt: skip
def test_settings_without_sense_are_refused(text):
    with pytest.raises(UserError, match=text.partition("(")[0]):
        parse_methods(text)


def test_a_momentum_for_adam_is_refused_before_anything_is_trained():
    with pytest.raises(UserError, match="momentum"):
        cell("tent(momentum=0.9)")
    assert cell("tent(momentum=0.9)", recipes=("paper",)).options["momentum"] == 0.9
    assert cell("tent(momentum=0.9,optimizer=sgd)").changed == ("optimizer", "momentum")


# --- in cells -----------------------------------------------------------------------------------


def test_a_setting_enters_the_identity_by_value_and_the_name_of_the_row():
    plain, given, other = cell("tent"), cell("tent(lr=1e-3)"), cell("tent(lr=1e-4)")
    assert len({plain.id, given.id, other.id}) == 3
    assert "lr" not in plain.options
    assert given.describe()["options"]["lr"] == 1e-3
    assert "lr=0.0001" in other.label
    assert other.branch.id == plain.branch.id, "nothing of the source is trained anew"
    assert cell("tent(lr=1e-4)").id == other.id


def test_a_method_is_made_without_its_settings():
    assert create("tent", {"lr": 1e-4}) == create("tent")


def test_the_adapter_descends_by_the_settings():
    from ttt_bench.method.contract import Model
    from ttt_bench.networks.config import NetworkConfig
    from ttt_bench.networks.multitask import MultiTask

    method = create("tent")
    network = MultiTask(NetworkConfig("resnet10", "conv"), {"semseg": 3})
    adapter = make_adapter(cell("tent(lr=0.25,optimizer=sgd)"), method, Model(network, method.auxiliary(network)))
    assert adapter.spec == OptimizerSpec("sgd", lr=0.25)
    assert type(adapter.optimizer).__name__ == "SGD"


def test_the_published_rate_given_explicitly_gives_equal_numbers(run, tmp_path):
    methods = ["--methods", "tent,tent(lr=1e-3),tent(lr=0.1)"]
    code, out, err = run("sweep", *TINY, *methods, "--no-figures")
    assert code == 0, out + err
    folder = SweepFolder(tmp_path / "results/main")
    found = {}
    for path in (folder.path / "cells").glob("*.npz"):
        stored = Trajectory.load(path)
        if stored.cell["method"] == "tent":
            found[stored.cell["options"].get("lr")] = stored.loss
    assert found.keys() == {None, 1e-3, 0.1}
    assert (found[None] == found[1e-3]).all()
    assert (found[None] != found[0.1]).any()
    assert "lr=0.1" in (tmp_path / "results/main/report.md").read_text()


def test_settings_are_reserved_names():
    with pytest.raises(UserError, match="mask_ratioo"):
        configure(find("s4t"), {"mask_ratioo": 1})


def test_the_controls_always_come_first():
    assert [call.name for call in parse_methods("tent")] == ["base", "bn", "tent"]
    assert [call.name for call in parse_methods("tent,base")] == ["base", "bn", "tent"]
    names = [call.name for call in parse_methods("all")]
    assert names[:2] == ["base", "bn"]
    assert set(names) >= {"s4t", "tent", "tipi", "ttt", "tttpp", "tttflow", "clust3", "actmad", "nctt"}
