"""Identities: stable across processes and the order of keys."""

import subprocess
import sys

from tiny_sweep import REPOSITORY

from ttt_bench.identity import identity


def test_order_of_keys_does_not_matter():
    assert identity({"a": 1, "b": (2, 3)}) == identity({"b": [2, 3], "a": 1})
    assert identity({"a": 1}) != identity({"a": 1.5})


def test_the_same_in_another_process():
    code = "from ttt_bench.identity import identity; print(identity({'x': [1, 2.5, 'é', None, True]}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.strip() == identity({"x": [1, 2.5, "é", None, True]})
