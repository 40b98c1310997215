"""Every option of every command, as the command line is frozen; and values without sense, refused with its name."""

import pytest
import typer

from ttt_bench.choices import Joined, Range, check_path, read_bool, read_float, read_int, read_list
from ttt_bench.cli.app import app
from ttt_bench.errors import UserError
from ttt_bench.plan.sweep import SweepConfig

REQUEST = """pairs track methods method task domain network recipes protocols training tasks seeds preset released steps
    eval-steps batch-size batches stream budget precision compile threads size architecture backbone heads weights stem pixels train-iterations
    train-samples train-lr train-processes fit-iterations fit-lr name out cache data-cache data trust-names skip-bad"""
FROZEN = {
    "sweep": f"{REQUEST} jobs device retry dry-run figures executor profile",
    "plan": f"{REQUEST} executor profile probe device",
    "train": f"{REQUEST} jobs device",
    "select": f"{REQUEST} strategies jobs device retry dry-run figures executor profile",
    "study": f"{REQUEST} jobs device figures finetune-iterations executor profile",
    "status": "out verbose",
    "cancel": "out",
    "report": "budget compare figures fixed-step metrics out style task to",
    "leaderboard": "figures fixed-step metrics published task to",
    "methods": "method",
    "domains": "domain",
    "doctor": "data out",
    "parity": "failures-only",
    "audit": "footprint method",
    "bench": "architecture backbone batch-size compile config device json network precision repeats size track",
    "data check": "all domain every",
    "data prepare": "",
}
"""Command -> its long options. A change here is a change for every user's scripts: say so in the changelog."""


def options_of(command):
    return {
        opt.removeprefix("--")
        for parameter in command.params
        if parameter.param_type_name == "option"
        for opt in parameter.opts
        if opt.startswith("--") and opt != "--help"
    }


def test_the_command_line_is_frozen():
    root = typer.main.get_command(app)
    found = {}
    for name, command in root.commands.items():
        for sub, each in getattr(command, "commands", {"": command}).items():
            found[f"{name} {sub}".strip()] = options_of(each)
    assert found == {name: set(text.split()) for name, text in FROZEN.items()}


# --- values -------------------------------------------------------------------------------------

NINES = "9" * 5000
WRONG = [
    ("--fit-lr", "inf"), ("--fit-lr", "0"), ("--fit-lr", "nan"), ("--train-lr", "nan"), ("--train-lr", "0"),
    ("--train-lr", "-1"), ("--train-iterations", "-5"), ("--train-iterations", "0"), ("--train-iterations", NINES),
    ("--train-samples", "0"), ("--fit-iterations", "-1"), ("--steps", "0"), ("--steps", "999999999999"),
    ("--batch-size", "0"), ("--batches", "-1"), ("--seeds", "1000000000"), ("--seeds", "9" * 30), ("--seeds", "0"),
    ("--seeds", f"0,{'9' * 30}"), ("--seeds", "0,-1"), ("--seeds", "0,0"), ("--seeds", "x"), ("--seeds", ","),
    ("--size", NINES), ("--size", "64x" + NINES), ("--size", "64x64x64"), ("--size", "0"), ("--size", "٣٢"),
    ("--size", "1000000x64"), ("--eval-steps", "0,x"), ("--eval-steps", "0,5,1"), ("--eval-steps", NINES),
    ("--weights", "x" * 300), ("--out", "x" * 300), ("--cache", "x" * 300), ("--name", "x" * 300), ("--name", "../x"),
    ("--protocols", "online,online"), ("--protocols", ""), ("--recipes", "natve"), ("--precision", "fp8"),
    ("--training", "both"), ("--tasks", "depth,depth"), ("--pairs", ""), ("--preset", "slow"), ("--track", "classes"), ("--device", "tpu"),
    ("--device", "cuda:x"), ("--method", "."), ("--method", "x" * 300), ("--methods", "tent(lr=nan)"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), WRONG)
def test_plan_refuses_what_has_no_sense_and_names_the_option(run, option, value):
    known = "--methods" if option != "--methods" else "--steps"
    code, out, err = run("plan", known, "tent" if known == "--methods" else "2", option, value)
    assert code == 2, out + err
    assert option in err or "lr=nan" in err
    assert len(err) < 1000


@pytest.mark.parametrize(("command", "option", "value"), [
    ("sweep", "--train-iterations", "-5"), ("sweep", "--train-lr", "0"), ("sweep", "--device", "tpu"),
    ("train", "--fit-lr", "inf"), ("study", "--seeds", "9" * 30), ("bench", "--device", "tpu"), ("bench", "--repeats", "0"),
    ("sweep", "--jobs", "-1"), ("sweep", "--jobs", "99999999"), ("report", "--fixed-step", "-1"),
])  # fmt: skip
def test_the_other_commands_refuse_it_alike(run, command, option, value):
    code, out, err = run(command, *(["noise"] if command == "study" else []), option, value)
    assert code == 2, out + err
    assert option in err


@pytest.mark.parametrize("arguments", [
    ("plan", "--name", "a", "--name", "b"), ("plan", "--out", "a", "--out", "a"), ("sweep", "--figures", "--no-figures"),
    ("bench", "--json", "--json"), ("status", "--verbose", "-v"), ("sweep", "--device=cpu", "--device", "cuda"),
])  # fmt: skip
def test_an_option_given_twice_is_refused(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2, out + err
    assert "is given twice" in err


def test_a_setting_may_be_overridden_and_that_is_said(run):
    code, out, err = run("plan", "--methods", "tent", "--seeds", "1", "--size", "64", "--seeds", "0")
    assert code == 2, "the last one counts"
    code, out, err = run("plan", "--methods", "tent", "--seeds", "0", "--size", "64", "--seeds", "1")
    assert code == 0, out + err
    assert "--seeds is given more than once; the last one counts" in " ".join(err.split())
    assert "--size" not in err


def test_options_made_to_be_repeated_may_be(run, tmp_path):
    code, _, err = run("plan", "--method", tmp_path / "a.py", "--method", tmp_path / "b.py")
    assert code == 2
    assert "a.py does not exist" in err


# --- the validator ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "", "x", "1,5", "0x1"])
def test_numbers_are_finite(text):
    with pytest.raises(UserError, match="--what"):
        read_float("--what", text)


@pytest.mark.parametrize("text", ["1.0", "", " ", "1_0", "٣", "9" * 16, "--1", "+-1", "-+1", "1e3"])
def test_whole_numbers_are_whole_and_of_sane_size(text):
    with pytest.raises(UserError, match="--what"):
        read_int("--what", text)
    assert read_int("--what", " -12 ") == -12


@pytest.mark.parametrize(
    ("valid", "inside", "outside"),
    [(Range(0, 1), (0, 1, 0.5), (-1e-9, 1.1)), (Range(above=0), (1e-300, 5), (0, -1)),
     (Range(0, below=1), (0, 0.999), (1,)), (Range(), (-1e300, 0), (float("nan"), float("inf"), float("-inf")))],
)  # fmt: skip
def test_ranges(valid, inside, outside):
    assert all(value in valid for value in inside)
    assert not any(value in valid for value in outside)
    assert str(valid)


def test_words():
    assert read_list("--what", " a, b ,") == ("a", "b")
    assert "1+3" in Joined(("1", "2", "3"))
    assert not any(text in Joined(("1", "2")) for text in ("", "3", "1+1", "1+", "1,2"))
    assert [read_bool("--what", word) for word in ("True", "no", "1")] == [True, False, True]
    with pytest.raises(UserError):
        read_bool("--what", "sometimes")
    with pytest.raises(UserError, match="twice"):
        read_list("--what", "a,a")
    with pytest.raises(UserError):
        check_path("--what", "a\0b")


def test_a_sweep_made_in_code_is_checked_alike():
    with pytest.raises(UserError, match="--seeds"):
        SweepConfig(pairs=("a->b",), methods=(), seeds=(2**32,)).check()
