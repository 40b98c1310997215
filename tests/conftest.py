"""Shared fixtures: two threads at most, a private cache, and one tiny finished sweep."""

from __future__ import annotations

import sys

import pytest


def pytest_generate_tests(metafunc):
    """Tests that take a ``device`` run on the CPU, and on CUDA too where there is one."""
    if "device" in metafunc.fixturenames:
        import torch

        metafunc.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory):
    """Decoded data and checkpoints that tests of one session may share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(tmp_path, capsys, tiny_cache):
    """Run the command line in this process: run("sweep", ...) -> (exit code, stdout, stderr)."""

    def call(*arguments, cache=tiny_cache, out=tmp_path / "results"):
        from ttt_bench import plugins
        from ttt_bench.cli import main

        places = ["--out", str(out)] if arguments[0] in ("sweep", "plan", "train", "status", "report", "doctor") else []
        if arguments[0] in ("sweep", "plan", "train"):
            places += ["--cache", str(cache)]
        if arguments[0] in ("sweep", "train", "study") and "--jobs" not in arguments:
            places += ["--jobs", "1"]  # in this process, whatever the machine has
        before, sys.argv = sys.argv, ["ttt_bench", *map(str, arguments), *places]
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            sys.argv = before
            plugins.use({})  # what this command was given is nothing to the next test
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
