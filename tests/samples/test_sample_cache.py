import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from domains.trees import make_frames

from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError
from ttt_bench.samples import cache as cache_module
from ttt_bench.samples.cache import SampleCache

SIZE = (16, 16)
ROOT = Path(__file__).resolve().parents[2]


def make(root, count=8, look="studio", split="test"):
    return SampleCache(Rooms(look, SIZE), split, count, root)


def leftovers(root):
    return list((root / "samples").glob("*.tmp"))


def test_round_trip(tmp_path):
    cache = make(tmp_path)
    assert not cache.complete
    seen = []
    cache.build(progress=lambda done, total: seen.append((done, total)))
    assert cache.complete
    assert seen[-1] == (8, 8)
    assert leftovers(tmp_path) == []
    arrays = cache.open()
    assert set(arrays) == {"image", *cache.domain.tasks}
    assert sum(a.nbytes for a in arrays.values()) == cache.nbytes
    for i in range(8):
        sample = cache.domain.sample("test", i)
        np.testing.assert_array_equal(arrays["image"][i], sample.image)
        np.testing.assert_array_equal(arrays["semseg"][i], sample.labels["semseg"])
        relative = np.abs(arrays["depth"][i].astype(float) / sample.labels["depth"] - 1)
        assert relative.max() < 1e-3
        np.testing.assert_allclose(arrays["normal"][i], sample.labels["normal"], atol=6e-4)
        np.testing.assert_array_equal(arrays["edge"][i], sample.labels["edge"])
    with pytest.raises(ValueError, match="read-only"):
        arrays["image"][0] = 0


def test_key_follows_content_split_and_count(tmp_path):
    folders = {make(tmp_path, *a).folder for a in ((8,), (9,), (8, "fog"), (8, "studio", "val"))}
    assert len(folders) == 4
    assert make(tmp_path).folder == make(tmp_path).folder


def test_second_build_does_nothing(tmp_path, monkeypatch):
    make(tmp_path).build()
    monkeypatch.setattr(Rooms, "sample", lambda *_: pytest.fail("decoded again"))
    make(tmp_path).build(progress=lambda *_: pytest.fail("worked again"))


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


@pytest.mark.parametrize("damage", ["cut", "missing", "other"])
def test_a_damaged_cache_is_built_again(tmp_path, damage):
    cache = make(tmp_path)
    cache.build()
    path = cache.folder / "depth.npy"
    if damage == "cut":
        with path.open("rb+") as file:
            file.truncate(500)
    elif damage == "missing":
        path.unlink()
    else:
        np.save(path, np.zeros(3))
    assert not cache.complete
    cache.build()
    assert cache.complete
    np.testing.assert_allclose(cache.open()["depth"][2], cache.domain.sample("test", 2).labels["depth"], rtol=1e-3)
    assert leftovers(tmp_path) == []


def test_a_full_disk_is_said_before_anything_is_mapped(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=r"The disk is full: 8 test samples of rooms/studio at 16x16 need 0\.00 GB"):
        make(tmp_path).build()
    assert leftovers(tmp_path) == []
    assert not make(tmp_path).complete


def test_an_unwritable_folder_is_explained(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(np.lib.format, "open_memmap", refused)
    with pytest.raises(UserError, match=r"could not be written: .*Permission denied"):
        make(tmp_path).build()


def test_an_unreadable_sample_stops_the_build_with_its_own_message(tmp_path, monkeypatch):
    def unreadable(self, split, index):
        raise UserError("image/0001.jpg cannot be read")

    monkeypatch.setattr(Rooms, "sample", unreadable)
    with pytest.raises(UserError, match=r"0001\.jpg"):
        make(tmp_path).build()
    assert leftovers(tmp_path) == []


class Fatal(Rooms):
    def sample(self, split, index):
        os._exit(9)


def test_a_worker_that_dies_is_reported(tmp_path):
    with pytest.raises(UserError, match="A process that decoded rooms/studio died"):
        SampleCache(Fatal("studio", SIZE), "test", 64, tmp_path).build(workers=2)
    assert leftovers(tmp_path) == []


def test_the_size_is_logged_before_building(tmp_path, caplog):
    with caplog.at_level("INFO", logger="ttt_bench.samples.cache"):
        make(tmp_path).build()
    assert "8 test samples of rooms/studio at 16x16" in caplog.text
    assert "GB in" in caplog.text


def test_a_flipped_bit_is_noticed_set_aside_and_made_again(tmp_path, caplog):
    cache = make(tmp_path)
    cache.build()
    whole = {name: array.copy() for name, array in cache.open().items()}
    path = cache.folder / "depth.npy"
    data = bytearray(path.read_bytes())
    data[-5] ^= 4
    path.write_bytes(data)
    assert cache.complete, "its length and header are as they were"
    again = cache.open()
    for name, array in whole.items():
        np.testing.assert_array_equal(again[name], array)
    assert str(path) in caplog.text
    assert (cache.folder.with_name(f"{cache.folder.name}.damaged") / "depth.npy").read_bytes() == data


def test_all_samples_that_cannot_be_decoded_are_named_at_once(tmp_path, monkeypatch):
    sample = Rooms.sample

    def spoiled(self, split, index):
        if index in (2, 5):
            raise UserError(f"file {index} cannot be read.", "Copy it again.")
        return sample(self, split, index)

    monkeypatch.setattr(Rooms, "sample", spoiled)
    with pytest.raises(UserError, match=r"2 of 8 images cannot be decoded: file 2 cannot be read; file 5"):
        make(tmp_path).build()


def test_what_was_decoded_beside_a_damaged_file_is_not_decoded_again(tmp_path, monkeypatch):
    root = make_frames(tmp_path / "nyu", 12, 8)
    kept = counted(monkeypatch)
    damaged = root / "depth" / f"{read(root, 'train')[3]}.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:60])
    with pytest.raises(UserError, match=r"cannot be read") as error:
        decoded(root, tmp_path)
    count = error.value.hint.count("is kept") and kept.count
    assert "--skip-bad" in error.value.hint
    assert count > 5
    kept.count = 0
    damaged.write_bytes(whole)
    arrays = decoded(root, tmp_path)
    assert kept.count == 1, "the file that was replaced, and no other"
    assert not list((tmp_path / "samples").glob("*.part"))
    again = decoded(root, tmp_path / "elsewhere")
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])


def test_leaving_the_image_out_goes_on_from_there_as_well(tmp_path, monkeypatch):
    root = make_frames(tmp_path / "nyu", 12, 8)
    name = read(root, "train")[3]
    (root / "depth" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(UserError, match=r"cannot be read"):
        decoded(root, tmp_path)
    kept = counted(monkeypatch)
    with reading_with(FileOptions(skipped=frozenset({name}))):
        arrays = decoded(root, tmp_path)
        assert kept.count == 0
        again = decoded(root, tmp_path / "elsewhere")
    for field, array in arrays.items():
        np.testing.assert_array_equal(array, again[field])


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"rows": 3}', b'{"rows": {"a": 99}, "sha256": {}}', b"[" * 100_000])
def test_what_is_kept_is_not_trusted(tmp_path, monkeypatch, damage):
    root = make_frames(tmp_path / "nyu", 12, 8)
    damaged = root / "depth" / f"{read(root, 'train')[3]}.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:60])
    with pytest.raises(UserError):
        decoded(root, tmp_path)
    [part] = (tmp_path / "samples").glob("*.part")
    if damage:
        (part / "keys.json").write_bytes(damage)
    else:
        data = bytearray((part / "depth.npy").read_bytes())
        data[-9] ^= 1
        (part / "depth.npy").write_bytes(data)
    damaged.write_bytes(whole)
    kept = counted(monkeypatch)
    decoded(root, tmp_path)
    assert kept.count > 5, "decoded again"


def read(root, split):
    return (root / "splits" / f"{split}.txt").read_text().split()


def decoded(root, cache):
    domain = NYUDv2(root, (32, 32))
    made = SampleCache(domain, "train", domain.length("train"), cache)
    made.build(workers=1)
    return {name: array.copy() for name, array in made.open().items()}


def counted(monkeypatch):
    """Counts the samples that are read from now on."""
    found, sample = SimpleNamespace(count=0), NYUDv2.sample

    def counting(self, split, index):
        result = sample(self, split, index)
        found.count += 1
        return result

    monkeypatch.setattr(NYUDv2, "sample", counting)
    return found
