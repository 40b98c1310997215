"""What people read: whole at any width, without markup from data, in any encoding."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table
from tiny_sweep import REPOSITORY

from ttt_bench.cli import progress
from ttt_bench.cli.console import PlainConsole, fail
from ttt_bench.errors import UserError

PATH = "/scratch/some one/[red]runs[/x]/" + "deep/" * 20 + "report.md"


@pytest.mark.parametrize("width", [20, 40, 200])
def test_paths_are_never_broken_nor_taken_for_markup(width):
    out = io.StringIO()
    console = PlainConsole(width=width, file=out)
    console.print(f"report: {PATH}", style="bold")
    table = Table(title=None)
    table.add_column("file")
    table.add_column("what it is")
    table.add_row("rooms/[studio]->rooms/fog:3", "some words that may be wrapped at will")
    console.show(table)
    lines = out.getvalue().splitlines()
    assert f"report: {PATH}" in lines
    assert any("rooms/[studio]->rooms/fog:3" in line for line in lines)
    assert "".join(out.getvalue().split()).count("will") == 1


def test_nothing_acts_on_the_terminal():
    out = io.StringIO()
    PlainConsole(width=80, file=out).print("a\x1b[2Jb\u202e :smile: [bold]c")
    assert out.getvalue() == "a\\x1b[2Jb\\u202e :smile: [bold]c\n"


def test_an_error_says_what_and_what_next_in_whole_lines(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    fail(UserError(f"{PATH} does not exist.", "Give another folder with --data."))
    assert capsys.readouterr().err.splitlines() == [
        f"error: {PATH} does not exist.", "  Give another folder with --data."
    ]  # fmt: skip


@pytest.mark.parametrize(
    "environment", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}]
)
def test_narrow_encodings_show_something_similar(environment):
    code = (
        "import sys; sys.argv = ['ttt_bench', 'report', 'Δ[/x]→\\udc80', '--out', '/no/±/[red]where']\n"
        "from ttt_bench.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert b"[/x]" in done.stderr
    assert b"[red]where" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["report", "--fixed-step", "[/x]"], ["sweeep"], ["status", "--nope"], ["report", "x", "y"]]
)
def test_a_wrong_command_line_is_an_error_like_any_other(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert err.startswith("error: ")
    assert "--help lists the options." in err
    assert not out


def test_a_card_with_brackets_is_shown_as_written(run):
    file = REPOSITORY / "tests/golden/methods/method_card_brackets.py"
    code, out, _ = run("methods", "m", "--method", file)
    assert code == 0
    assert "M [/b]" in out
    assert "min [x] of [/y]" in out
    code, out, _ = run("methods", "--method", file)
    assert code == 0
    assert "M [/b]" in out


@pytest.mark.parametrize(
    ("terminal", "seconds", "lines"), [(False, 0.0, ["one", "[two]"]), (False, 1e9, []), (True, 0.0, None)]
)
def test_a_long_command_shows_that_it_is_alive(monkeypatch, terminal, seconds, lines):
    monkeypatch.setattr(progress, "SPEAK_SECONDS", seconds)
    written = io.StringIO()
    with progress.Saying(PlainConsole(file=written, force_terminal=terminal, width=80)) as say:
        say("one")
        say("[two]")
    if lines is not None:
        assert [line.strip() for line in written.getvalue().splitlines()] == lines
    else:
        assert "\x1b" in written.getvalue(), "no line that changes"
