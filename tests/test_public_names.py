"""What can be imported from the package itself is there, and costs nothing until it is asked for."""

import subprocess
import sys

import pytest
from tiny_sweep import REPOSITORY

import ttt_bench


@pytest.mark.parametrize("name", ttt_bench.__all__)
def test_every_public_name_is_there(name):
    found = getattr(ttt_bench, name)
    assert found.__name__ == name
    assert found.__doc__


def test_nothing_else_is_promised():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ttt_bench.nothing
    assert sorted(ttt_bench._HOMES) == sorted(ttt_bench.__all__)


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, ttt_bench; print({'torch', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == "set()"
