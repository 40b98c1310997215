"""A study at the smallest size, through the command line."""

import pytest

SMALL = [
    "--pairs", "rooms/studio->rooms/fog", "--size", "32x32", "--tasks", "semseg,depth", "--steps", "1", "--batches", "1",
    "--batch-size", "4", "--train-iterations", "3", "--train-samples", "8", "--fit-iterations", "2", "--device", "cpu",
]  # fmt: skip


@pytest.fixture
def study(run, tmp_path, tiny_cache):
    """study(name, *options) -> (folder of the sweep, what was printed)."""

    def call(name, *options, cache=tiny_cache, expect=0, small=SMALL):
        code, out, err = run("study", name, *small, "--out", tmp_path, "--cache", cache, *options)
        assert code == expect, out + err
        return tmp_path / f"study-{name}", " ".join((out + err).split())

    return call
