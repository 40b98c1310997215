"""Trajectories, folders and claims: whole files or none, and never a stale lock."""

import json
import os
import time

import numpy as np
import pytest

from ttt_bench.errors import UserError
from ttt_bench.files import write_atomically, write_text
from ttt_bench.store import claims
from ttt_bench.store.claims import Claim, read_claim
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory


def make_trajectory(cell_id="abc"):
    rng = np.random.default_rng(0)
    return Trajectory(
        cell_id=cell_id,
        cell={"pair": "a->b", "options": {"x": 1}},
        provenance={"git_sha": "unknown"},
        eval_steps=(0, 1, 2),
        statistics={"depth/moments": rng.random((2, 3, 6))},
        loss=rng.random((2, 2)),
        seconds=rng.random((2, 2)),
        eval_seconds=rng.random((2, 3)),
        forwards=np.ones((2, 2)),
        backwards=np.ones((2, 2)),
        summary={"collapsed_step": None},
        examples={"image": np.zeros((1, 4, 4, 3), np.uint8)},
    )


def test_round_trip_is_exact(tmp_path):
    trajectory = make_trajectory()
    trajectory.save(tmp_path / "x.npz")
    read = Trajectory.load(tmp_path / "x.npz")
    assert read.cell == trajectory.cell
    assert read.eval_steps == (0, 1, 2)
    assert np.array_equal(read.statistics["depth/moments"], trajectory.statistics["depth/moments"])
    assert read.examples["image"].dtype == np.uint8
    assert not Trajectory.load(tmp_path / "x.npz", examples=False).examples


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"PK" + b[5:]])
def test_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "x.npz"
    make_trajectory().save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"x\.npz is damaged"):
        Trajectory.load(path)


def test_other_schema_is_refused(tmp_path, monkeypatch):
    from ttt_bench.store import trajectory

    monkeypatch.setattr(trajectory, "SCHEMA", 0)
    make_trajectory().save(tmp_path / "x.npz")
    monkeypatch.setattr(trajectory, "SCHEMA", 1)
    with pytest.raises(UserError, match="schema 0"):
        Trajectory.load(tmp_path / "x.npz")


def test_pickled_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", header=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="damaged"):
        Trajectory.load(tmp_path / "x.npz")


def test_interrupted_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "f.txt"
    write_text(path, "old")

    def half(file):
        file.write(b"new, but onl")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_explained(tmp_path):
    def full(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="disk is full"):
        write_atomically(tmp_path / "f", full)
    assert not list(tmp_path.iterdir())


def test_states_follow_the_files(tmp_path):
    folder = SweepFolder(tmp_path)
    folder.save(make_trajectory("done"))
    folder.fail("bad", "label", "Traceback\nValueError: no")
    Claim(tmp_path / "claims/busy.json", "label").acquire()
    stale = Claim(tmp_path / "claims/stale.json", "label")
    stale.acquire()
    stale.release()
    stale.path.write_text("{}")
    os.utime(stale.path, (1, 1))
    states = folder.states(["done", "bad", "busy", "stale", "new"])
    assert states == {"done": "done", "bad": "failed", "busy": "running", "stale": "stale", "new": "missing"}


def test_failures_count_attempts_and_are_forgiven(tmp_path):
    folder = SweepFolder(tmp_path)
    folder.fail("c", "label", "x\nValueError: one")
    folder.fail("c", "label", "x\nValueError: two")
    failure = folder.failure("c")
    assert failure.attempt == 2
    assert failure.error == "ValueError: two"
    folder.save(make_trajectory("c"))
    assert folder.failure("c") is None
    assert folder.failed() == set()


def test_a_claim_is_held_by_one(tmp_path):
    first, second = Claim(tmp_path / "c.json", "a"), Claim(tmp_path / "c.json", "b")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert not first.path.exists()
    assert second.acquire()
    second.release()


def test_a_stale_claim_is_taken_over_and_the_old_holder_leaves_it(tmp_path):
    first, second = Claim(tmp_path / "c.json", "a"), Claim(tmp_path / "c.json", "b")
    assert first.acquire()
    os.utime(first.path, (1, 1))
    assert second.acquire()
    first.release()
    assert second.path.exists(), "the former holder must not remove the new holder's claim"
    second.release()


def test_heartbeats_carry_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    claim = Claim(tmp_path / "c.json", "a")
    claim.acquire()
    claim.note(3, 7)
    deadline = time.monotonic() + 5
    while read_claim(claim.path).content.get("done") != 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    claim.release()
    assert json.dumps(claim._content)
    assert read_claim(claim.path) is None


def test_remembering_a_sweep_is_idempotent(tmp_path):
    folder = SweepFolder(tmp_path)
    with pytest.raises(UserError, match="holds no sweep"):
        folder.sweeps()
    folder.remember("s1", {"cells": []})
    before = (tmp_path / "sweeps/s1.json").read_bytes()
    folder.remember("s1", {"cells": []})
    assert (tmp_path / "sweeps/s1.json").read_bytes() == before
    assert folder.sweeps() == [{"cells": [], "sequence": 1}]


def test_the_last_sweep_is_known_without_file_times(tmp_path):
    folder = SweepFolder(tmp_path)
    for name in ("b", "a", "b"):
        folder.remember(name, {"cells": [], "name": name})
    for path in (tmp_path / "sweeps").iterdir():
        os.utime(path, (1, 1))
    assert [sweep["name"] for sweep in folder.sweeps()] == ["a", "b"]


def test_a_stored_trajectory_reads_back_whatever_memory_its_arrays_lie_in(tmp_path):
    import numpy as np

    from ttt_bench.store.trajectory import Trajectory

    def laid(*shape):
        return np.arange(np.prod(shape), dtype=float).reshape(shape)[:, [0, 0]].T.copy().T  # column by column

    stored = Trajectory(
        "x",
        {},
        {},
        (0, 1),
        {"depth/moments": laid(2, 3)},
        laid(2, 1),
        laid(2, 1),
        laid(2, 2),
        laid(2, 1),
        laid(2, 1),
        {},
    )
    stored.save(tmp_path / "x.npz")
    assert (Trajectory.load(tmp_path / "x.npz").loss == stored.loss).all()
