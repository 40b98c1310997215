"""Decoded images: announced before they are written, kept or not kept, and never a matter of numbers."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_sweep import TINY

from ttt_bench.store.trajectory import Trajectory

pytestmark = pytest.mark.slow


def cells_of(out):
    return {p.stem: Trajectory.load(p) for p in (Path(out) / "main/cells").glob("*.npz")}


def test_decoded_images_are_announced_kept_or_not_kept_and_change_nothing(run, tmp_path):
    quick = [*TINY, "--no-figures"]
    assert "GB more in" in run("plan", *TINY, cache=tmp_path / "kept")[1]
    code, out, err = run("sweep", *quick, cache=tmp_path / "kept", out=tmp_path / "a")
    assert code == 0, err
    assert "decoded images: 0.0" in out
    assert (tmp_path / "kept/samples").exists()
    assert "GB more in" not in run("plan", *TINY, cache=tmp_path / "kept", out=tmp_path / "c")[1]
    shutil.rmtree(tmp_path / "kept/samples")
    for again in (
        run("sweep", *quick, cache=tmp_path / "kept", out=tmp_path / "a"),
        run("plan", *TINY, out=tmp_path / "a"),
    ):
        assert "GB more in" not in again[1], "nothing is left to do that would read them"
    code, out, err = run("sweep", *quick, "--no-data-cache", cache=tmp_path / "bare", out=tmp_path / "b")
    assert code == 0, err
    assert "decoded images" not in out
    assert not (tmp_path / "bare/samples").exists()
    kept, bare = cells_of(tmp_path / "a"), cells_of(tmp_path / "b")
    assert kept.keys() == bare.keys()
    for cell, trajectory in kept.items():
        for name, values in trajectory.statistics.items():
            assert np.array_equal(values, bare[cell].statistics[name]), name
