"""What a method's file declares is read as text; whatever could be misread is refused with file, line and field."""

from pathlib import Path

import pytest
from tiny_sweep import REPOSITORY

from ttt_bench.choices import Joined, Range
from ttt_bench.errors import UserError
from ttt_bench.method.card import Needs, OptimizerSpec
from ttt_bench.method.configured import MethodCall, configure
from ttt_bench.method.contract import Method
from ttt_bench.method.declared import FIELDS, read_method
from ttt_bench.method.registry import create, discover, load, verify
from ttt_bench.plugins import PluginFile

GOLDEN = REPOSITORY / "tests" / "golden" / "methods"
HEAD = '''from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from ttt_bench.method.contract import *
from ttt_bench.method.contract import Accident, Card, Joined, Method, Needs, OptimizerSpec, Range

{before}
@dataclass(frozen=True)
class Mine(Method):
    """Mine."""

    name = "mine"
    card = Card(title="Mine", paper="none", venue="", equation="x", updates="x")
{body}

    def updated(self, model):
        return ()
'''


@pytest.fixture
def mine(tmp_path):
    """Write a method's file with further lines in its class, and read it."""

    def write(*lines, before="", text=HEAD):
        path = tmp_path / "mine.py"
        path.write_text(text.format(before=before, body="\n".join(f"    {line}" for line in lines)))
        return read_method(PluginFile("method", path, outside=True))

    return write


# --- what is read -------------------------------------------------------------------------------


def test_fields_and_options_are_read_without_running_the_file(mine):
    info = mine(
        'bn = "batch"',
        'native: ClassVar[OptimizerSpec | None] = OptimizerSpec("adam", lr=1e-3)',
        'needs = Needs(output="classes", unless={"rate": 0.0})',
        'source_options = ("kind", "rate")',
        'kind: Literal["a", "b"] = "a"',
        "rate: Annotated[float, Range(0, 1)] = 1",
        'levels: "int" = 3',
        'parts: Annotated[str, Joined(("1", "2"))] = "1+2"',
        "on: bool = True",
        "_own = object()",
        before="raise SystemExit(0)",
    )
    assert (info.bn, info.native) == ("batch", OptimizerSpec("adam", lr=1e-3))
    assert info.needs == Needs(output="classes", unless={"rate": 0.0})
    assert info.options == {"kind": "a", "rate": 1.0, "levels": 3, "parts": "1+2", "on": True}
    assert type(info.options["rate"]) is float
    kind, rate, _, parts, _ = info.declared
    assert kind.choices == ("a", "b")
    assert (rate.valid, parts.valid) == (Range(0, 1), Joined(("1", "2")))
    assert len(info.code) == 16


def test_every_declared_field_is_one_of_the_contract_with_its_default():
    stated = {name: field for name, field in FIELDS.items() if name not in ("name", "card")}
    assert stated.keys() | {"name", "card"} == {n for n in Method.__annotations__ if not n.startswith("_")}
    from dataclasses import MISSING

    for name, field in stated.items():
        default = field.default if field.default is not MISSING else field.default_factory()
        assert getattr(Method, name) == default, name


# --- what is refused ----------------------------------------------------------------------------

STAGE = 'source_stages = (SourceStage("a", OptimizerSpec("sgd", lr=1.0), share="{}"),)'
WRONG = {
    "a name": ("source_options = OPTIONS", "source_options"),
    "a sum": ('source_options = ("a",) + ("b",)', "source_options"),
    "a call": ("statistics = bool(1)", "statistics"),
    "a comprehension": ('source_options = tuple(x for x in ("a",))', "source_options"),
    "stars": ('source_options = (*OPTIONS,)', "source_options"),
    "an f-string": ('aux_mode = f"{1}"', "aux_mode"),
    "a name in the card": ('native = OptimizerSpec("sgd", lr=RATE)', "native"),
    "a field misspelt": ('sourse_options = ("a",)', "Did you mean 'source_options'"),
    "a class variable misspelt": ('sourse_options: ClassVar[tuple[str, ...]] = ("a",)', "Did you mean 'source_options'"),
    "a field of the spec misspelt": ('native = OptimizerSpec("sgd", lrr=1.0)', "Did you mean 'lr'"),
    "an unknown word": ('bn = "tracked"', "Did you mean 'track'"),
    "an unknown mode": ('aux_mode = "x"', "aux_mode"),
    "an unknown branch": ('branch = "joined"', "Did you mean 'joint'"),
    "a type": ("statistics = 1", "statistics"),
    "a text for a tuple": ('source_options = "mask"', "source_options"),
    "an unknown optimiser": ('native = OptimizerSpec("lion", lr=1.0)', "OptimizerSpec.name"),
    "no rate": ('native = OptimizerSpec("sgd")', "native"),
    "a negative rate": ('native = OptimizerSpec("sgd", lr=-1.0)', "lr"),
    "an infinite rate": ('native = OptimizerSpec("sgd", lr=1e999)', "lr"),
    "two at once": ("adapts = statistics = False", "cannot be read"),
    "a pair": ("adapts, statistics = False, False", "cannot be read"),
    "added later": ('source_options += ("a",)', "cannot be read"),
    "a condition": ("if True: adapts = False", "cannot be read"),
    "an option that does not exist": ('source_options = ("nothing",)', "'nothing'"),
    "a stage by an option that does not exist": ('needs = Needs(stage="nothing")', "'nothing'"),
    "a stage by no number": ('needs = Needs(stage="w"); w: float = 1.0', "no whole number"),
    "a share by an option that does not exist": (STAGE.format("nothing"), "'nothing'"),
    "a share by no source option": (STAGE.format("w") + "; w: float = 1.0", "'w', which is no fraction"),
    "an accident's option that does not exist": ('accidents = (Accident("x", {"no": 1}),)', "'no'"),
    "an option of bytes": ('w: bytes = b"x"', "'w'"),
    "an option without default": ("w: float", "'w'"),
    "a default of another type": ("w: int = 1.5", "'w'"),
    "a bool for an int": ("w: int = True", "'w'"),
    "a default outside its range": ("w: Annotated[float, Range(0, 1)] = 2.0", "w=2.0"),
    "a default outside its choices": ('w: Literal["a"] = "b"', "w=b"),
    "an infinite default": ("w: float = 1e999", "w=inf"),
    "an unknown annotation": ("w: list = []", "'w'"),
    "a limit that is none": ("w: Annotated[float, 3] = 1.0", "'w'"),
    "a reserved name": ("lr: float = 1.0", "'lr'"),
    "a field as an option": ("adapts: bool = False", "'adapts'"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_could_be_misread_is_refused(mine, line, said):
    with pytest.raises(UserError) as error:
        mine("a: int = 1", line)
    assert "mine.py:" in error.value.message
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "defines no method"),
        ("class M: pass\n", "defines no method"),
        ("class M(\n", "does not parse"),
        ("x = '\0'\n", "does not parse"),
        ("(" * 3000 + ")" * 3000, "does not parse"),
        ('class M:\n    name = "m"\n    card = Card(title="x")\n', "lacks paper, venue, equation, updates"),
        ('class M(Method):\n    name = "m"\n', "lacks the literal 'card'"),
        ('class M(Method):\n    card = Card("", "", "", "", "")\n', "lacks the literal 'name'"),
        ('class M(Method):\n    name = "a,b"\n    card = Card("", "", "", "", "")\n', "'a,b'"),
        ('class M(Method):\n    name = "all"\n    card = Card("", "", "", "", "")\n', "'all'"),
        ('class M(Method):\n    name = "m"\n    card = Card("", 3, "", "", "")\n', "Card.paper"),
        ('class M(Method):\n    name = "m"\n    card = Card(*x)\n', "card"),
        ('class M(Method):\n    name = "m"\n    card = Card(**x)\n', "card"),
        (
            'class M(Method):\n    name = "m"\n    card = C\nclass N(Method):\n    name = "n"\n    card = C\n',
            "second method",
        ),
    ],
)
def test_a_file_that_is_no_method_is_one_message(mine, text, said):
    with pytest.raises(UserError, match=r"mine\.py") as error:
        mine(text=text.replace("{", "{{"))
    assert said in str(error.value)


def test_nothing_but_text_is_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("pipe.py", "no regular file"),
        ("binary.py", "cannot be read"),
        (".", "a folder"),
        ("no.py", "not exist"),
    ):
        with pytest.raises(UserError, match=said):
            read_method(PluginFile("method", tmp_path / name))


# --- the text against the class -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ('Mine.source_options = ("w",)', "source_options"),
        ('Mine.native = OptimizerSpec("sgd", lr=9.0)', "native"),
        ('Mine.card = Card("Other", "", "", "", "")', "card"),
        ("Mine = dataclass(frozen=True)(type('Mine', (Mine,), {'__annotations__': {'w': float}, 'w': 3.0}))", "w is"),
        ("Mine = dataclass(frozen=True)(type('Mine', (Mine,), {'__annotations__': {'v': float}, 'v': 3.0}))", "v is"),
        ("Mine = 3", "derive"),
        ("del Mine", "derive"),
    ],
)
def test_a_class_that_differs_from_its_text_is_refused_when_loaded(tmp_path, after, said):
    path = tmp_path / "mine.py"
    path.write_text(HEAD.format(before="", body="    w: float = 1.0") + after + "\n")
    info = read_method(PluginFile("method", path, outside=True))
    with pytest.raises(UserError, match=r"mine\.py") as error:
        load(info)
    assert said in str(error.value)


def test_inherited_declarations_are_seen_before_anything_is_trained(mine):
    text = HEAD.replace("class Mine(Method)", "class Mine(Common)")
    info = mine(before='class Common(Method):\n    bn = "batch"\n', text=text)
    with pytest.raises(UserError, match="bn is 'batch' when the file runs, and 'track' as it is written"):
        verify(MethodCall(info))


def test_options_that_do_not_go_together_are_refused_before_anything_is_trained():
    info = discover()["nctt"]
    verify(MethodCall(info))
    with pytest.raises(UserError, match="more noise"):
        verify(configure(info, {"std1": 0.001}))


def test_every_method_of_the_project_loads_as_it_is_written():
    for info in discover().values():
        load(info)


# --- on the command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("method_aux_mode_unknown.py", "m", ("method_aux_mode_unknown.py", "aux_mode")),
        ("method_card_short.py", "bn", ("method_card_short.py", "paper, venue, equation, updates")),
        ("method_option_bytes.py", "m", ("method_option_bytes.py", "'w'")),
        (".", "bn", ("--method",)),
    ],
)
def test_plan_refuses_a_wrong_file(run, file, name, said):
    code, out, err = run("plan", "--methods", name, "--method", GOLDEN / file)
    assert code == 2, out + err
    flat = "".join(err.split())
    assert all("".join(each.split()) in flat for each in said)


def test_a_card_is_printed_as_it_is_written(run):
    code, out, _ = run("methods", "m", "--method", GOLDEN / "method_card_brackets.py")
    assert code == 0
    assert "M [/b]" in out
    assert "min [x] of [/y]" in out
    assert run("methods", "--method", GOLDEN / "method_card_brackets.py")[0] == 0


def test_a_file_that_exits_when_it_is_imported_is_one_message():
    with pytest.raises(UserError, match=r"SystemExit.*line 1"):
        create("m", extra=(GOLDEN / "method_exit_import.py",))


@pytest.mark.parametrize("text", ["s4t(mask_ratio=7)", "s4t(loss_weight=nan)", "s4t(loss_weight=1e999)", "s4t(strategy=none)",
                                  "s4t(mask_ratio=0.1,mask_ratio=0.9)", "bn(projection=1)", "s4t(projection=sometimes)",
                                  "ttt(views=0)", "ttt(views=2.5)", "clust3(stages=5)", "nctt(std1=0.001)",
                                  f"ttt(views={'9' * 5000})"])  # fmt: skip
def test_plan_refuses_a_wrong_option(run, text):
    code, out, err = run("plan", "--methods", text)
    assert code == 2, out + err
    assert text.partition("(")[2].partition("=")[0] in err


def test_the_project_s_own_methods_need_no_torch_to_be_planned():
    import subprocess
    import sys

    script = (
        "import sys; sys.argv = ['x', 'plan', '--methods', 'all,s4t(loss_weight=0.1)', '--out', '/nonexistent']\n"
        "from ttt_bench.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(REPOSITORY / "methods").is_dir()
