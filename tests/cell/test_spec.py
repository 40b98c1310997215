"""What a cell is known by: sensitive to every setting, blind to names, and what its parts share."""

from dataclasses import fields, replace

import pytest

from ttt_bench.identity import counts
from ttt_bench.method.registry import parse_methods
from ttt_bench.networks.config import NetworkConfig
from ttt_bench.plan.plan import make_plan
from ttt_bench.plan.sweep import SweepConfig
from ttt_bench.source.spec import FIT


def cells(**changes):
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods("s4t")))
    return {c.method: c for c in make_plan(replace(config, **changes)).cells}


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": (1,)},
        {"steps": 9},
        {"batch_size": 4},
        {"batches": 3},
        {"size": (64, 96)},
        {"recipes": ("paper",)},
        {"protocols": ("episodic",)},
        {"trainings": ("joint",)},
        {"eval_steps": (0, 10)},
        {"tasks": ("semseg", "depth")},
        {"network": NetworkConfig("resnet18", "conv")},
        {"pairs": ("rooms/studio->rooms/dusk",)},
        {"pairs": ("rooms/fog->rooms/studio",)},
        {"methods": tuple(parse_methods("s4t(mask_ratio=0.5)"))},
    ],
)
def test_every_setting_gives_another_cell(change):
    assert cells(**change)["s4t"].id != cells()["s4t"].id


OTHER = {str: "other", int: 77, float: 0.77, bool: True, tuple: ("other",), dict: {"other": 1}}


def of_every_field(value):
    """(name, whether it counts, the same settings with another value there)."""
    for each in fields(value):
        now = getattr(value, each.name)
        if type(now) in OTHER and now != OTHER[type(now)]:
            yield each.name, counts(each), replace(value, **{each.name: OTHER[type(now)]})


def test_every_field_counts_that_is_not_set_aside():
    cell = cells()["s4t"]
    seen = {name: (counted, other.id != cell.id) for name, counted, other in of_every_field(cell)}
    assert all(counted == changed for counted, changed in seen.values()), seen
    assert {"pair", "target", "changed", "notes"} == {name for name, (counted, _) in seen.items() if not counted}
    source = cell.source
    assert all(counted == (other.id != source.id) for _, counted, other in of_every_field(source)), (
        "the domain's name alone is set aside"
    )
    for part, aside in (("training", set(FIT)), ("network", {"content", "given"})):
        found = {
            name: replace(source, **{part: other}).id != source.id
            for name, _, other in of_every_field(getattr(source, part))
        }
        assert {name for name, changed in found.items() if not changed} == aside - {"content"}


def test_test_time_options_share_the_source_part():
    plain, weighted, masked = (
        {c.method: c for c in make_plan(SweepConfig(
            pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods(text)))).cells}["s4t"]
        for text in ("s4t", "s4t(loss_weight=0.5)", "s4t(mask_ratio=0.5)")
    )  # fmt: skip
    assert plain.branch.id == weighted.branch.id != masked.branch.id
    assert len({plain.id, weighted.id, masked.id}) == 3
    assert plain.source.id == masked.source.id


def test_joint_training_concerns_only_methods_with_a_branch():
    joint = cells(trainings=("joint",))
    assert joint["s4t"].source.id != joint["base"].source.id
    assert joint["base"].source.id == cells()["base"].source.id


def test_fit_settings_leave_the_network_alone():
    config = SweepConfig(pairs=("rooms/studio->rooms/fog",), methods=tuple(parse_methods("s4t")))
    other = replace(config, source_training=replace(config.source_training, fit_iterations=7))
    first, second = ({c.method: c for c in make_plan(c).cells}["s4t"] for c in (config, other))
    assert first.source.id == second.source.id
    assert first.branch.id != second.branch.id
