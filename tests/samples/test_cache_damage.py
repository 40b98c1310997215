"""A cache that is damaged, cannot be written, or whose images cannot be read."""

import errno
import os

import numpy as np
import pytest
from samples.small_caches import leftovers, make

from ttt_bench.domains.rooms.domain import Rooms
from ttt_bench.errors import UserError


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


def test_all_samples_that_cannot_be_decoded_are_named_at_once(tmp_path, monkeypatch):
    sample = Rooms.sample

    def spoiled(self, split, index):
        if index in (2, 5):
            raise UserError(f"file {index} cannot be read.", "Copy it again.")
        return sample(self, split, index)

    monkeypatch.setattr(Rooms, "sample", spoiled)
    with pytest.raises(UserError, match=r"2 of 8 images cannot be decoded: file 2 cannot be read; file 5"):
        make(tmp_path).build()
