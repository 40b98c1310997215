"""The page on adding a method is true: its file, copied out of the page, runs."""

import re

import pytest
from tiny_sweep import REPOSITORY, TINY

from ttt_bench.method.registry import discover
from ttt_bench.store.folder import SweepFolder

PAGE = REPOSITORY / "docs" / "add-a-method.md"


@pytest.fixture
def method_file(tmp_path):
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    file = tmp_path / "mirror.py"
    file.write_text(code)
    return file


def test_the_example_is_short(method_file):
    lines = [line for line in method_file.read_text().splitlines() if line.strip()]
    assert len(lines) < 25


def test_the_example_is_found_and_audited(run, method_file):
    assert "mirror" in discover((method_file,))
    assert "mirror" not in discover()
    code, out, _ = run("audit", "mirror", "--method", method_file)
    assert code == 0, out
    assert "0 failed" in out


def test_the_example_sweeps_with_two_settings(run, method_file, tmp_path):
    arguments = ["--method", method_file, "--methods", "mirror,mirror(weight=0.1)"]
    code, out, _ = run("sweep", *TINY, "--no-figures", *arguments)
    assert code == 0, out
    assert len(SweepFolder(tmp_path / "results/main").done()) == 4


def test_option_defaults_are_read_without_running_the_file(method_file):
    method_file.write_text(method_file.read_text().replace('"""Mirror', 'raise SystemExit\n"""Mirror'))
    assert discover((method_file,))["mirror"].options == {"weight": 1.0}
