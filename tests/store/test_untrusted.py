"""Stored files that are damaged, foreign or hostile are named and passed over; nothing waits, nothing is executed."""

import json
import os
import random
import signal
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from test_store import make_trajectory

from ttt_bench.errors import UserError
from ttt_bench.files import read_json, remove_leftovers, temporary_beside, write_text
from ttt_bench.store.claims import Claim, read_claim
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory, read_seconds, read_summary

ROBUST = Path(__file__).parents[1] / "golden" / "robust"
HARMLESS = {"cell_newline_pair", "cell_traversal_training", "cell_other_rank"}
"""Well-formed as far as the store knows; the report deals with what they say."""


@pytest.mark.parametrize("path", sorted(ROBUST.glob("cell_*.npz")), ids=lambda path: path.stem)
def test_a_hostile_cell_is_named(path):
    if path.stem in HARMLESS:
        Trajectory.load(path)
        return
    with pytest.raises(UserError, match=rf"{path.name} is damaged"):
        Trajectory.load(path)


def test_flipped_bits_and_cuts_never_escape(tmp_path):
    path = tmp_path / "x.npz"
    make_trajectory().save(path)
    sound, dice = path.read_bytes(), random.Random(0)
    for _ in range(150):
        content = bytearray(sound)
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(content if dice.random() < 0.8 else content[: dice.randrange(len(content))])
        for read in (Trajectory.load, read_summary, read_seconds):
            # Anything but a message for the user fails the test.
            with suppress(UserError):
                read(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("eval_steps", [2, 1]), ("eval_steps", [0, True]), ("eval_steps", []), ("cell_id", ""), ("cell", {"seed": 2**70}),
     ("cell", {"options": {"x": float("inf")}}), ("cell", {"pair": "\ud800"}), ("cell", {"classes": [1]}),
     ("summary", {"collapsed_step": -1}), ("summary", {"source_scores": [1]}), ("provenance", {"git_sha": 3})],
)  # fmt: skip
def test_a_header_of_nonsense_is_damage(tmp_path, key, value):
    path = tmp_path / "x.npz"
    made = make_trajectory()
    object.__setattr__(made, key, value)
    made.save(path)
    with pytest.raises(UserError, match="damaged"):
        Trajectory.load(path)


def test_an_array_that_claims_more_than_there_is_takes_no_room(tmp_path):
    path = tmp_path / "x.npz"
    made = make_trajectory()
    made.statistics["depth/moments"] = np.zeros((2, 3, 6))
    made.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["loss.npy"] = parts["loss.npy"].replace(b"(2, 2)", b"(9, 9)")
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(UserError, match="damaged"):
        Trajectory.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipes_are_refused_at_once(tmp_path):
    path = tmp_path / "claims" / "c.json"
    path.parent.mkdir()
    os.mkfifo(path)
    signal.alarm(20)
    try:
        for read in (Trajectory.load, read_summary, read_json):
            with pytest.raises(UserError, match="ordinary file"):
                read(path)
        assert read_claim(path).content == {}
    finally:
        signal.alarm(0)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "{", "\ud800", '{"cells": 3}', '{"cells": [{"id": "../x", "label": ""}]}']
)
def test_nonsense_among_requests_and_failures_is_passed_over(tmp_path, text):
    folder = SweepFolder(tmp_path)
    folder.remember("good", {"cells": [{"id": "a", "label": "A"}]})
    for name in ("sweeps/bad.json", "failures/c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, errors="surrogatepass")
    assert [sweep["cells"][0]["id"] for sweep in folder.sweeps()] == ["a"]
    assert any("bad.json" in line for line in folder.warnings)
    assert folder.failure("c").attempt == 1
    folder.fail("c", "label", "ValueError: no")
    assert folder.failure("c").error == "ValueError: no"


def test_a_claim_of_nonsense_is_stale(tmp_path):
    folder = SweepFolder(tmp_path)
    (tmp_path / "claims").mkdir()
    path = tmp_path / "claims" / "c.json"
    path.write_bytes((ROBUST / "claim_words.json").read_bytes())
    state = folder.claims()["c"]
    assert not state.alive
    assert (state.progress, state.remaining) == ((0, 0), None)
    claim = Claim(path, "work")
    assert claim.acquire()
    claim.release()


def test_a_claim_from_the_future_does_not_hold_for_ever(tmp_path):
    first, second = Claim(tmp_path / "c.json", "a"), Claim(tmp_path / "c.json", "b")
    assert first.acquire()
    os.utime(first.path, (4e9, 4e9))
    assert second.acquire()
    second.release()
    first.release()


KILLED = """
import os, sys
from pathlib import Path
from ttt_bench.files import write_atomically
from ttt_bench.store.claims import Claim
folder = Path(sys.argv[1])
claim = Claim(folder / "c.json", "work")
assert claim.acquire()
def half(file):
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
write_atomically(folder / "x.bin", half)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are told apart by /proc")
def test_what_a_killed_process_left_is_known_at_once(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    state = read_claim(tmp_path / "c.json")
    assert state.orphaned
    assert not state.alive
    claim = Claim(tmp_path / "c.json", "work")
    assert claim.acquire(), "nobody waits for a process that is gone"
    ours = temporary_beside(tmp_path / "y")
    ours.write_text("being written")
    [left] = tmp_path.glob(".x.bin*.tmp")
    assert remove_leftovers([tmp_path, tmp_path / "not there"]) == [left]
    assert ours.exists()
    claim.release()


def test_a_claim_says_who_holds_it(tmp_path):
    first, second = Claim(tmp_path / "c.json", "a"), Claim(tmp_path / "c.json", "b")
    assert first.acquire()
    assert not second.acquire()
    assert f"process {os.getpid()} on " in second.held_by
    first.release()


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_permissions_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "f", "x")
        claim = Claim(tmp_path / "c.json", "a")
        claim.acquire()
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        claim.release()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o666 & ~umask}


def test_a_mount_without_chmod_utime_and_fsync_is_good_enough(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "utime", "link", "fsync"):
        monkeypatch.setattr(os, name, refuse)
    folder = SweepFolder(tmp_path)
    folder.save(make_trajectory("a"))
    folder.remember("s", {"cells": []})
    folder.remember("s", {"cells": []})
    claim = Claim(tmp_path / "claims/a.json", "work")
    assert claim.acquire()
    claim.release()
    assert json.loads((tmp_path / "sweeps/s.json").read_text())["sequence"] == 1


def test_a_full_disk_is_named_whatever_library_writes(tmp_path, monkeypatch):
    import torch

    from ttt_bench import files

    monkeypatch.setattr(files._NotingFile, "write", _full(files._NotingFile.write, 1000))
    with pytest.raises(UserError, match=r"No space left on device.*more than .* needed, .* free") as caught:
        files.write_atomically(tmp_path / "x.pt", lambda file: torch.save({"a": torch.zeros(100_000)}, file))
    assert "same command again" in caught.value.hint
    assert not list(tmp_path.iterdir())


def _full(write, most):
    def limited(self, content):
        if self.tell() + len(content) > most:
            error = OSError(28, "No space left on device")
            self.reached, self.problem = self.tell() + len(content), error
            raise error
        return write(self, content)

    return limited
