"""Processes that decode into a cache: several at once, and killed ones."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from samples.small_caches import ROOT, SIZE, leftovers, make

from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError
from ttt_bench.samples import cache as cache_module
from ttt_bench.samples.cache import SampleCache


def test_worker_processes_write_the_same_and_load_no_torch(tmp_path):
    """Two spawned workers give the same bytes as one process; their modules are those of the domain only."""
    alone, pooled = make(tmp_path / "a", 80), make(tmp_path / "b", 80)
    alone.build(workers=1)
    pooled.build(workers=2)
    for name, array in alone.open().items():
        np.testing.assert_array_equal(array, pooled.open()[name])
    code = "import sys, ttt_bench.samples.cache, ttt_bench.domains.rooms.domain; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def _build_in_child(root):
    make(root, 40).build(workers=1)


def test_two_builders_at_once_both_succeed(tmp_path):
    context = multiprocessing.get_context("spawn")
    builders = [context.Process(target=_build_in_child, args=(tmp_path,)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(60)
    assert [b.exitcode for b in builders] == [0, 0]
    cache = make(tmp_path, 40)
    assert cache.complete
    assert leftovers(tmp_path) == []
    np.testing.assert_array_equal(cache.open()["image"][39], cache.domain.sample("test", 39).image)


def test_the_slower_builder_takes_the_faster_ones_result(tmp_path, monkeypatch):
    slow, fast = make(tmp_path), make(tmp_path)
    original = SampleCache._publish

    def overtaken(self, draft):
        monkeypatch.setattr(SampleCache, "_publish", original)
        fast.build()
        original(self, draft)

    monkeypatch.setattr(SampleCache, "_publish", overtaken)
    slow.build()
    assert slow.complete
    assert leftovers(tmp_path) == []


def test_a_killed_build_leaves_nothing_that_is_trusted(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from types import SimpleNamespace
from ttt_bench.samples.cache import SampleCache
from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.rooms.domain import Rooms
def slow(done, total):
    print(done, flush=True)
    time.sleep(60)
SampleCache(Rooms("studio", {SIZE}), "test", 40, Path({str(tmp_path)!r})).build(slow, workers=1)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout.readline().strip() == "16"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    cache = make(tmp_path, 40)
    assert not cache.complete
    assert len(leftovers(tmp_path)) == 1
    cache.build(workers=1)
    assert cache.complete
    assert leftovers(tmp_path) == [], "its process is gone"
    elsewhere = tmp_path / "samples" / "x.0123456789ab-7-7.abc.tmp"
    elsewhere.mkdir()
    make(tmp_path, 5).build()
    assert leftovers(tmp_path) == [elsewhere], "on another machine it might still be alive"
    long_ago = time.time() - 2 * cache_module.STALE_SECONDS
    os.utime(elsewhere, (long_ago, long_ago))
    make(tmp_path, 4).build()
    assert leftovers(tmp_path) == []


def test_workers_die_with_a_killed_builder(tmp_path):
    code = f"""
import os, sys
from pathlib import Path
from types import SimpleNamespace
from ttt_bench.samples.cache import SampleCache
from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.rooms.domain import Rooms
import multiprocessing
def tell(done, total):
    print(*[c.pid for c in multiprocessing.active_children()], flush=True)
    sys.stdin.readline()
if __name__ == "__main__":
    SampleCache(Rooms("studio", (160, 160)), "test", 4000, Path({str(tmp_path)!r})).build(tell, workers=2)
"""
    script = tmp_path / "build.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert workers
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    deadline = time.time() + 10
    while time.time() < deadline and any(_alive(pid) for pid in workers):
        time.sleep(0.05)
    assert not [pid for pid in workers if _alive(pid)]


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Fatal(Rooms):
    def sample(self, split, index):
        os._exit(9)


def test_a_worker_that_dies_is_reported(tmp_path):
    with pytest.raises(UserError, match="A process that decoded rooms/studio died"):
        SampleCache(Fatal("studio", SIZE), "test", 64, tmp_path).build(workers=2)
    assert leftovers(tmp_path) == []
