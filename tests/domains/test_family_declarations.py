"""What a family may declare, and what is said of a declaration that is wrong."""

import pickle

import pytest

from ttt_bench.domains.catalogue import open_domain
from ttt_bench.domains.disk.options import Roots
from ttt_bench.domains.finding import families, read_families
from ttt_bench.errors import UserError
from ttt_bench.plugins import PluginFile

MARBLES = """
import numpy as np

from ttt_bench.domains.contract import Domain, Sample
from ttt_bench.domains.family import Family

TASKS = ("depth",)
FAMILY = Family("marbles", title="balls", tasks=TASKS, members=("red", "blue: blue balls"), opens="Marbles")


class Marbles(Domain):
    def __init__(self, member, size):
        self.name, self.tasks, self.classes, self.size = f"marbles/{member}", TASKS, (), size
        self.colour = (200, 60, 60) if member == "red" else (60, 60, 200)

    def length(self, split):
        return 80

    def sample(self, split, index):
        y, x = np.mgrid[: self.size[0], : self.size[1]] / self.size[0]
        place = np.random.default_rng((index, len(split))).uniform(0.3, 0.7, 2)
        inside = (y - place[0]) ** 2 + (x - place[1]) ** 2 < 0.04
        image = np.where(inside[..., None], self.colour, 128).astype(np.uint8)
        return Sample(image, {"depth": np.where(inside, 1.5, 3.0).astype(np.float32)[None]})

    def content(self):
        return {"colour": self.colour}
"""


@pytest.fixture
def marbles(tmp_path):
    path = tmp_path / "marbles.py"
    path.write_text(MARBLES)
    return path


def test_a_file_is_read_without_running_it(marbles):
    marbles.write_text("raise SystemExit\n" + MARBLES)
    (family,) = read_families(PluginFile("domain", marbles))
    assert family.titles() == {"red": "", "blue": "blue balls"}
    assert family.tasks == ("depth",), "a name stands for the literal above it"


def test_an_edit_of_the_file_changes_every_fingerprint(marbles):
    first = open_domain("marbles/red", (32, 32), Roots(declared=(marbles,)))
    other = marbles.with_name("other.py")
    other.write_text(MARBLES + "# an edit\n")
    second = open_domain("marbles/red", (32, 32), Roots(declared=(other,)))
    assert first.content() == second.content()
    assert first.fingerprint() != second.fingerprint()


def test_another_process_gets_the_domain_by_its_file(marbles):
    domain = open_domain("marbles/red+fog:2", (32, 32), Roots(declared=(marbles,)))
    again = pickle.loads(pickle.dumps(domain))
    assert again.name == domain.name
    assert again.fingerprint() == domain.fingerprint()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('tasks=TASKS', 'tasks=tuple(["depth"])', "marbles.py:8: FAMILY, Family.tasks is not a literal: tuple(['depth'])"),
        ('tasks=TASKS', 'task=TASKS', "Family has no field 'task'"),
        (', opens="Marbles"', "", "either layouts (files on disk) or opens"),
        ('"marbles", title', '"mar/bles", title', "cannot be a name of domains"),
        ("FAMILY = Family", "FAMILY = dict", "declares no family"),
        ("class Marbles", "class Marbles:", "does not parse"),
        ('"marbles", title', '"rooms", title', "both define the domain 'rooms'"),
        ('title="balls", ', "", "Family lacks title"),
    ],
)  # fmt: skip
def test_says_which_line_of_a_declaration_is_wrong(marbles, old, new, message):
    assert old in MARBLES
    marbles.write_text(MARBLES.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        families((marbles,))
    assert message in error.value.message
    assert str(marbles) in error.value.message


def test_says_when_a_reference_or_a_file_leads_nowhere(marbles, tmp_path):
    marbles.write_text(MARBLES.replace('opens="Marbles"', 'opens="Marble"'))
    with pytest.raises(UserError, match="'Marble' names nothing"):
        open_domain("marbles/red", (32, 32), Roots(declared=(marbles,)))
    with pytest.raises(UserError, match=r"gone\.py does not exist"):
        families((tmp_path / "gone.py",))


def test_is_listed_and_checked_from_the_command_line(run, marbles):
    code, out, _ = run("domains", "--domain", marbles)
    assert code == 0
    assert "marbles/blue" in out
    code, out, _ = run("domains", "marbles", "--domain", marbles)
    assert f"declared in: {marbles}" in out
    assert run("domains", "marbels", "--domain", marbles)[0] == 2


def test_sweeps_with_nothing_else_touched(run, marbles):
    code, out, err = run(
        "sweep", "--domain", marbles, "--pairs", "marbles/red->marbles/blue", "--methods", "base", "--size", "32x32",
        "--steps", "1", "--batches", "1", "--batch-size", "4", "--train-iterations", "4", "--train-samples", "64",
        "--seeds", "1", "--no-figures",
    )  # fmt: skip
    assert code == 0, out + err
    assert "marbles/red->marbles/blue" in out
