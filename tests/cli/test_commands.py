"""Commands that only look, and what the command line must never load."""

import subprocess
import sys

import pytest
from tiny_sweep import REPOSITORY, TINY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["sweep", "--help"], ["methods"], ["methods", "tent"], ["domains"], ["plan", *TINY]]
)
def test_looking_loads_nothing_heavy(arguments, tmp_path):
    script = (
        "import sys; sys.argv = ['ttt_bench', *sys.argv[1:]]\n"
        "from ttt_bench.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'tslearn', 'pandas', 'matplotlib', 'numba', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    places = ["--out", str(tmp_path)] if arguments[0] == "plan" else []
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, *places], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_methods_lists_every_file(run):
    code, out, _ = run("methods")
    assert code == 0
    for file in (REPOSITORY / "methods").glob("[!_]*.py"):
        assert file.stem in out


@pytest.mark.parametrize("name", sorted(p.stem for p in (REPOSITORY / "methods").glob("[!_]*.py")))
def test_every_card_is_complete(run, name):
    from ttt_bench.method.registry import find, load

    code, out, _ = run("methods", name)
    assert code == 0
    card = find(name).card
    assert all([card.title, card.paper, card.equation, card.updates])
    assert card.title in out
    assert load(find(name)).card == card, "what is read from the file is what the class says"


def test_unknown_command_suggests(run):
    code, _, err = run("sweeep")
    assert code == 2
    assert "sweep" in err


def test_domains_names_its_needs(run):
    code, out, _ = run("domains")
    assert code == 0
    assert "rooms/studio" in out
    assert "nyudv2" in out


def test_doctor_is_content_here(run):
    code, out, _ = run("doctor")
    assert code == 0, out
    assert "matched pair" in out


def test_doctor_names_a_missing_root(run, tmp_path):
    code, out, _ = run("doctor", "--data", f"nyudv2={tmp_path / 'nowhere'}")
    assert code == 1
    assert "nowhere" in " ".join(out.split())


def test_plan_changes_nothing(run, tmp_path):
    code, out, _ = run("plan", *TINY)
    assert code == 0
    assert "3 missing" in out
    assert not (tmp_path / "results").exists()


def test_plan_of_the_papers_preset(run):
    code, out, _ = run("plan", "--preset", "paper", "--pairs", "rooms/studio->rooms/fog", "--methods", "s4t")
    assert code == 0, out
    assert "60,000" in out.replace("\n", "") or "180,000" in out
