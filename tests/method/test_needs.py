"""What methods need is applied by the plan: left out under ``all``, refused when asked for by name."""

from dataclasses import replace

import pytest
import torch

from ttt_bench.errors import UserError
from ttt_bench.method.card import Needs
from ttt_bench.method.needs import unmet, way_out
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.catalogue import make_network
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.networks.encoders import build_encoder
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig

DENSE = ("semseg", "depth", "normal", "edge")


def plan(methods, **changes):
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods(methods)), size=(32, 32))
    return make_plan(replace(config, **changes))


@pytest.mark.parametrize(
    ("needs", "tasks", "batch", "said"),
    [
        (Needs(), ("depth",), 1, ""),
        (Needs(output="classes"), DENSE, 1, ""),
        (Needs(output="classes"), ("depth", "edge"), 1, "classes; this pair has depth, edge"),
        (Needs(output="direction"), ("depth",), 1, "direction"),
        (Needs(extent="map"), DENSE, 1, ""),
        (Needs(extent="image"), ("depth",), 1, "per image"),
        (Needs(tasks=("normal",)), ("depth",), 1, "the task normal"),
        (Needs(batch=2), DENSE, 2, ""),
        (Needs(batch=2), DENSE, 1, "at least 2 images"),
        (Needs(batch=2), DENSE, None, ""),
        (Needs(batch=2, unless={"moments": "channel"}), DENSE, 1, ""),
        (Needs(batch=2, unless={"moments": "location"}), DENSE, 1, "at least 2 images"),
    ],
)
def test_what_is_not_met_is_said(needs, tasks, batch, said):
    lacking = unmet(needs, {"moments": "channel"}, tasks, batch)
    assert said in lacking
    assert bool(lacking) == bool(said)


def test_the_way_out_is_said():
    assert "tipi(tent_coeff=0,invariance=all)" in way_out(
        Needs(unless={"tent_coeff": 0.0, "invariance": "all"}), "tipi"
    )


def test_under_all_what_cannot_run_is_left_out_with_its_reason():
    made = plan("all", tasks=("depth",))
    names = {cell.method for cell in made.cells}
    assert "s4t" in names
    assert not names & {"tent", "tipi"}
    assert any(line.startswith("tent on rooms/studio->rooms/fog (online) needs") for line in made.left_out)
    assert plan("all").left_out == ()


def test_asked_for_by_name_it_is_an_error():
    for methods in ("tent", "all,tent", "tent,all"):
        with pytest.raises(UserError, match="tent cannot run on rooms/studio->rooms/fog"):
            plan(methods, tasks=("depth",))
    assert "tipi" in {cell.method for cell in plan("tipi(tent_coeff=0)", tasks=("depth",)).cells}


NORMED = {"bn", "ptbn", "tent", "tipi", "tttpp", "clust3", "nctt", "s4t", "tttmae"}
"""What re-estimates batch-norm statistics of all stages from the batch as it is."""


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"batch_size": 1}, NORMED),
        ({"batch_size": 4, "batches": 0}, set()),
        ({"batch_size": 9, "batches": 0}, NORMED),  # 10,000 = 1,111 * 9 + 1
        ({"batch_size": 9, "batches": 0, "protocols": ("single",)}, set()),
        ({"batch_size": 1, "size": (33, 32)}, set()),
        ({"batch_size": 1, "network": NetworkConfig("resnet10", stem="cifar")}, set()),
        ({"batch_size": 1, "network": NetworkConfig("wrn40_2")}, set()),
        ({"batch_size": 1, "network": NetworkConfig("resnet26_gn")}, set()),
        (
            {"batch_size": 1, "network": NetworkConfig("hrnet18")},
            {*NORMED, "tttflow"},
        ),  # each map is made of all branches
    ],
)
def test_one_value_per_channel_is_too_few_for_batch_norm(changes, left_out):
    made = plan("all", **changes)
    lacking = {line.split()[0].partition("(")[0] for line in made.left_out if "values per channel" in line}
    assert lacking == left_out
    assert {cell.method for cell in made.cells} >= {"base", "ttt", "tttflow", "recttt"} - left_out


def test_a_batch_size_that_leaves_no_batch_of_one_image_is_named():
    with pytest.raises(UserError, match="values per channel for batch norm: the smallest maps are 1x1") as error:
        plan("tent", batch_size=9, batches=0)
    assert "--batch-size 8" in error.value.hint
    assert "bn" not in {cell.method for cell in plan("ttt", batch_size=1).cells}, "nobody asked for it by name"


def test_a_method_that_adapts_up_to_a_stage_is_refused_by_the_maps_of_that_stage():
    with pytest.raises(UserError, match="values per channel for batch norm: the smallest maps are 1x1"):
        plan("tttflow(stage=4)", batch_size=1)
    for text, changes in (
        ("tttflow(stage=3)", {"batch_size": 1}),
        ("tttflow(stage=4)", {"batch_size": 2}),
        ("tttflow(stage=4)", {"batch_size": 1, "size": (64, 64)}),
        ("tttflow(stage=3)", {"batch_size": 1, "network": NetworkConfig("wrn40_2")}),
    ):
        assert "tttflow" in {cell.method for cell in plan(text, **changes).cells}


@pytest.mark.parametrize("config", [
    NetworkConfig("resnet10"), NetworkConfig("resnet10", stem="cifar"), NetworkConfig("wrn40_2"),
    NetworkConfig("resnet26"), NetworkConfig("hrnet18"),
])  # fmt: skip
@pytest.mark.parametrize("size", [(32, 32), (33, 65), (64, 48)])
def test_the_smallest_maps_are_known_without_building_the_network(config, size):
    with torch.no_grad():
        maps = build_encoder(config).eval()(torch.zeros(1, 3, *size))
    assert min((tuple(m.shape[-2:]) for m in maps), key=lambda hw: hw[0] * hw[1]) == config.smallest_maps(size)
    if config.backbone != "hrnet18":
        assert [config.smallest_maps(size, stage) for stage in range(1, len(maps) + 1)] == [
            tuple(m.shape[-2:]) for m in maps
        ]


def test_where_only_the_network_knows_the_cell_says_what_to_do(network):
    from ttt_bench.adaptation.adapter import Adapter
    from ttt_bench.method.contract import Model
    from ttt_bench.method.registry import create

    method = create("bn")
    adapter = Adapter(Model(network, torch.nn.Module()), method, method.native)
    with pytest.raises(UserError, match="bn: batch norm has one value per channel") as error:
        adapter.update(torch.randn(1, 3, 32, 32))
    assert "--batch-size" in error.value.hint


@pytest.fixture
def network():
    return make_network(NetworkConfig("resnet10"), {"depth": 1})


def test_a_last_batch_of_one_image_counts():
    with pytest.raises(UserError, match="the smallest one here has 1"):
        plan("actmad", batch_size=1)
    plan("actmad(moments=channel)", batch_size=1)
    length = plan("base", batches=0, batch_size=1).cells[0].target_samples
    odd = next(size for size in range(2, length) if length % size == 1)
    with pytest.raises(UserError, match="the smallest one here has 1"):
        plan("actmad", batches=0, batch_size=odd)
    assert plan("actmad", batches=0, batch_size=odd, protocols=("single",)).cells


def test_plan_prints_what_is_left_out(run):
    code, out, _ = run("plan", "--tasks", "depth", "--methods", "all")
    assert code == 0
    assert "left out: tent on rooms/studio->rooms/fog (online) needs a task that predicts classes" in out
