"""What was decoded beside a damaged file is kept, and not trusted."""

from types import SimpleNamespace

import numpy as np
import pytest
from domains.trees import make_frames

from ttt_bench.domains.disk.options import FileOptions, reading_with
from ttt_bench.domains.nyudv2.frames import NYUDv2
from ttt_bench.errors import UserError
from ttt_bench.samples.cache import SampleCache


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
