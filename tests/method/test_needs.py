"""What methods need is applied by the plan: left out under ``all``, refused when asked for by name."""

from dataclasses import replace

import pytest

from ttt_bench.errors import UserError
from ttt_bench.method.card import Needs
from ttt_bench.method.needs import unmet, way_out
from ttt_bench.method.registry import parse_methods
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
