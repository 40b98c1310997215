"""The accidents of the S4T release: names, what each sets on which pair, and that it touches nothing else."""

import subprocess
import sys
from dataclasses import replace

import pytest
from tiny_sweep import REPOSITORY

from ttt_bench.domains.catalogue import family_of
from ttt_bench.domains.contract import Domain
from ttt_bench.domains.nyudv2 import frames as nyudv2
from ttt_bench.domains.pairs import make_pair
from ttt_bench.domains.pascal import reader as pascal
from ttt_bench.domains.taskonomy import reader as taskonomy
from ttt_bench.errors import UserError
from ttt_bench.method.configured import MethodCall
from ttt_bench.method.registry import discover, parse_methods
from ttt_bench.plan import plan as plan_module
from ttt_bench.plan.plan import make_plan, source_data, target_data
from ttt_bench.plan.release import Accidents, delta_metrics, parse_released, switches
from ttt_bench.plan.sweep import PRESETS, SweepConfig
from ttt_bench.tasks import metric_by_id

KNOWN = discover()
ALL = tuple(switches(KNOWN))
NAMES = {
    "first-batch", "aligned-rmse", "source-weight", "row-normals", "input-scaling", "task-order", "squared-weights",
}  # fmt: skip


class Fake(Domain):
    def __init__(self, name, module, tasks=("semseg", "depth", "normal", "edge")):
        self.name, self.tasks, self.classes, self.size = name, tasks, module.CLASSES, (64, 64)

    def length(self, split):
        return 100

    def sample(self, split, index):
        raise NotImplementedError

    def content(self):
        return self.name


FAKES = {
    "taskonomy": Fake("taskonomy", taskonomy),
    "nyudv2": Fake("nyudv2", nyudv2),
    "pascal": Fake("pascal", pascal, ("semseg", "normal", "edge")),
}


@pytest.fixture
def plan(monkeypatch):
    """Plans over data sets that need not be on disk."""

    def open_pair(text, size, roots, tasks, stream):
        source, target = text.split("->")
        return make_pair(FAKES[source], FAKES[target], tasks)

    monkeypatch.setattr(plan_module, "parse_pair", open_pair)

    def make(pair, *released, methods="s4t", **changes):
        config = SweepConfig(pairs=(pair,), methods=tuple(parse_methods(methods)), released=released)
        return make_plan(replace(config, **changes))

    return make


def cells(plan):
    return {cell.method: cell for cell in plan.cells}


# --- names --------------------------------------------------------------------------------------


def test_every_accident_has_a_name_and_a_line():
    assert set(ALL) == NAMES
    for name, title in switches(KNOWN).items():
        assert len(title) > 30, name
    assert parse_released("all", KNOWN) == ALL
    assert parse_released("none", KNOWN) == ()
    assert parse_released(" task-order , first-batch", KNOWN) == ("first-batch", "task-order")


@pytest.mark.parametrize(("text", "hint"), [("task-oder", "Did you mean 'task-order'"), ("", "input-scaling"),
                                            ("all,first-batch", "first-batch")])  # fmt: skip
def test_unknown_names_are_refused(text, hint):
    with pytest.raises(UserError, match="--released") as error:
        parse_released(text, KNOWN)
    assert hint in str(error.value.hint)


def test_accidents_name_options_that_the_method_has():
    for info in KNOWN.values():
        for accident in info.accidents:
            assert accident.options.keys() <= info.options.keys()
            assert not any(info.options[key] == value for key, value in accident.options.items()), "not a change"


def test_metrics_that_enter_delta_exist():
    assert delta_metrics(("first-batch",)) == ()
    assert [metric_by_id(id).task for id in delta_metrics(ALL)] == ["depth", "edge"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rooms/fog+snow:2", "taskonomy"), ("taskonomy", "taskonomy"), ("nyudv2+fog:5", "nyudv2"), ("pascal", "pascal")],
)
def test_rooms_count_as_taskonomy(name, expected):
    assert family_of(name) == expected


# --- what each does -----------------------------------------------------------------------------

EFFECTS = {
    # switch: {pair: (source model changes, target images or their order change, options of s4t)}
    "first-batch": dict.fromkeys(("t->n", "n->t", "t->p", "p->t", "n->p"), (False, True, {})),
    "aligned-rmse": dict.fromkeys(("t->n", "n->t", "t->p", "p->t", "n->p"), (False, False, {})),
    "row-normals": {"t->n": (True, False, {}), "t->p": (True, False, {}), "n->t": (False, False, {})},
    "source-weight": {
        "t->n": (True, False, {"source_weight": 1.0}), "n->t": (False, False, {}), "n->p": (False, False, {}),
    },
    "input-scaling": {"t->n": (True, False, {}), "n->t": (False, True, {}), "n->p": (False, False, {})},
    "task-order": {
        "t->n": (False, False, {"task_order": "from-taskonomy"}), "n->t": (False, False, {"task_order": "to-taskonomy"}),
        "t->p": (False, False, {"task_order": "from-taskonomy"}), "p->t": (False, False, {"task_order": "to-taskonomy"}),
        "n->p": (False, False, {}),
    },
    "squared-weights": {
        "t->n": (False, False, {"task_weights": "squared"}), "n->t": (False, False, {"task_weights": "automatic"}),
        "p->t": (False, False, {"task_weights": "automatic"}), "n->p": (False, False, {"task_weights": "squared"}),
    },
}  # fmt: skip
LETTERS = {"t": "taskonomy", "n": "nyudv2", "p": "pascal"}
CASES = [(name, pair, *expected) for name, pairs in EFFECTS.items() for pair, expected in pairs.items()]


@pytest.mark.parametrize(("name", "letters", "source", "target", "options"), CASES)
def test_a_switch_alone_changes_what_it_should_and_nothing_else(plan, name, letters, source, target, options):
    pair = "->".join(LETTERS[letter] for letter in letters.split("->"))
    protocol = {"protocols": ("single",)}
    before, after = (cells(plan(pair, *on, **protocol)) for on in ((), (name,)))
    base, s4t = after["base"], after["s4t"]
    assert (base.source.id != before["base"].source.id) == source
    assert (base.id != before["base"].id) == (source or target)
    assert (s4t.id != before["s4t"].id) == (source or target or bool(options))
    changed = {k: v for k, v in s4t.options.items() if v != before["s4t"].options.get(k)}
    assert changed == options
    assert set(s4t.changed) == set(options)
    described = {k for k, v in base.describe().items() if v != before["base"].describe().get(k)}
    if not (source or target):
        assert described == set(), "a cell that is the same must also say the same"


def test_cells_say_what_is_unusual_about_them(plan):
    on = cells(plan("taskonomy->nyudv2", *ALL, protocols=("single",)))["base"].describe()
    assert on["source_scaling"] == "symmetric"
    assert on["order"] == "files"
    assert on["scaling"] == "imagenet", "NYUD-v2's pixels enter as ever"
    assert {"losses": "taskonomy", "weighting": "automatic"}.items() <= on["source_training"].items()
    off = cells(plan("taskonomy->nyudv2"))["base"].describe()
    assert (off["source_scaling"], off["scaling"], off["order"]) == ("imagenet", "imagenet", "seed")
    assert {"losses": "masked", "weighting": "fixed"}.items() <= off["source_training"].items()
    back = cells(plan("nyudv2->taskonomy", "input-scaling"))["base"]
    assert (back.scaling, back.source.scaling) == ("symmetric", "imagenet")


def test_data_is_asked_for_with_its_scaling(plan):
    made = plan("nyudv2->taskonomy", "input-scaling")
    assert target_data(made.cells[0])[0].scaling == "symmetric"
    assert source_data(made.sources[0]).scaling == "imagenet"


def test_an_option_given_to_the_method_wins(plan):
    made = plan("taskonomy->nyudv2", "squared-weights", "task-order", methods="s4t(task_weights=automatic)")
    options = cells(made)["s4t"].options
    assert options["task_weights"] == "automatic"
    assert options["task_order"] == "from-taskonomy"
    said = made.accidents["taskonomy->nyudv2"]
    assert said == {"squared-weights": "", "task-order": "s4t task_order=from-taskonomy"}


def test_the_plan_says_what_is_on_for_each_pair(plan):
    said = plan("nyudv2->pascal", *ALL, protocols=("single",)).accidents["nyudv2->pascal"]
    assert set(said) == NAMES
    assert said["task-order"] == said["row-normals"] == said["input-scaling"] == ""
    assert said["squared-weights"] == "s4t task_weights=squared"
    assert said["aligned-rmse"] == "Delta from edge/rmse_aligned", "PASCAL has no depth"
    assert plan("nyudv2->pascal").accidents == {}


def test_first_batch_means_single(plan):
    with pytest.raises(UserError, match="means the protocol single, not online"):
        plan("nyudv2->pascal", "first-batch")
    with pytest.raises(UserError, match="'first' is unknown"):
        plan("nyudv2->pascal", "first")


def test_requests_without_switches_keep_their_identity():
    config = SweepConfig(pairs=("a->b",), methods=())
    assert replace(config, released=()).id == config.id != replace(config, released=("task-order",)).id


def test_a_method_from_outside_may_have_accidents(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text('''
from ttt_bench.method.contract import Accident, Card, Method
class Mine(Method):
    """Mine."""
    name = "mine"
    card = Card("Mine", "", "", "", "")
    accidents = (Accident("late-bug", {"bug": True}, target=("nyudv2",), title="What my own release does wrong."),)
    bug: bool = False
''')
    known = discover((file,))
    assert switches(known)["late-bug"].startswith("What my own")
    pair = make_pair(FAKES["pascal"], FAKES["nyudv2"])
    accidents = Accidents.of(("late-bug",), pair)
    assert accidents.applied(MethodCall(known["mine"])).own == {"bug": True}
    assert accidents.effects([MethodCall(known["mine"])], pair.tasks) == {"late-bug": "mine bug=True"}


# --- presets ------------------------------------------------------------------------------------


def test_the_preset_paper_is_the_papers():
    paper = PRESETS["paper"]
    training, network = paper["source_training"], paper["network"]
    assert (network.backbone, network.heads, network.weights) == ("resnet50", "linear", "imagenet")
    assert (training.lr, training.power, training.iterations, training.batch_size) == (2e-5, 0.9, 60_000, 8)
    assert (paper["size"], paper["batch_size"], paper["steps"]) == ((256, 256), 8, 40)
    assert (paper["recipes"], paper["protocols"], paper["trainings"]) == (("paper",), ("online",), ("joint",))
    assert paper["eval_steps"][0] == 0
    assert paper["eval_steps"][-1] == 40
    assert {k: v for k, v in PRESETS["released"].items() if k != "released"} == paper


def test_a_plan_of_a_preset_says_its_cost_without_torch(tmp_path):
    script = (
        "import sys; sys.argv = ['x', 'plan', '--preset', 'released', '--pairs', 'rooms/studio->rooms/fog',"
        f"'--methods', 's4t', '--seeds', '1', '--out', {str(tmp_path)!r}]\n"
        "from ttt_bench.cli import main\nmain()\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 source trainings" in done.stdout
    assert " h, one piece of work at a time" in done.stdout
    assert "stated for CPU cores" in done.stdout
    assert "first-batch      protocol single" in done.stdout
    assert "task-order       nothing here" in done.stdout
