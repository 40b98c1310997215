"""No flipped bit in a checkpoint is read as a number: the file is set aside, named, and made again."""

import random

import pytest
import torch

from ttt_bench.errors import UserError
from ttt_bench.sealed import DamagedError, is_intact, load_sealed, save_sealed
from ttt_bench.source.paths import checkpoint_path

CONTENT = {"id": "x", "weights": {"a": torch.arange(50.0), "b": torch.zeros(3, dtype=torch.int64)}, "note": "text"}


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def test_what_was_saved_is_read(tmp_path):
    path = tmp_path / "a.pt"
    save_sealed(path, CONTENT)
    for mapped in (False, True):
        read = load_sealed(path, mapped)
        assert torch.equal(read["weights"]["a"], CONTENT["weights"]["a"])
        assert read["note"] == "text"
    assert torch.load(path, weights_only=True)["id"] == "x", "it is still torch's own format"


def test_every_flipped_bit_is_seen(tmp_path):
    path = tmp_path / "a.pt"
    save_sealed(path, CONTENT)
    data, rng = path.read_bytes(), random.Random(0)
    for bit in [*rng.sample(range(8 * len(data)), 300), *range(8 * len(data) - 700, 8 * len(data))]:
        path.write_bytes(flipped(data, bit))
        assert not is_intact(path), bit


@pytest.mark.parametrize("cut", [0, 1, 63, 64, 65, 500])
def test_a_file_cut_short_is_set_aside(tmp_path, cut, caplog):
    path = tmp_path / "a.pt"
    save_sealed(path, CONTENT)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DamagedError, match="set aside"):
        load_sealed(path)
    assert not path.exists()
    assert (tmp_path / "a.pt.damaged").stat().st_size == cut
    assert str(path) in caplog.text


def test_what_torch_saved_without_a_seal_is_not_trusted(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(CONTENT, path)
    with pytest.raises(UserError, match="damaged"):
        load_sealed(path)


def test_the_same_command_makes_a_damaged_checkpoint_again(run, tmp_path, caplog):
    from tiny_sweep import TINY

    options = ["sweep", *TINY, "--methods", "ttt", "--no-figures", "--device", "cpu"]
    assert run(*options, cache=tmp_path / "cache")[0] == 0
    cells = tmp_path / "results/main/cells"
    before = {path.name: path.read_bytes() for path in cells.glob("*.npz")}
    checkpoints = sorted(checkpoint_path(tmp_path / "cache", "x").parent.glob("*.pt"))
    made = {path.name: path.read_bytes() for path in checkpoints}
    assert len(made) == 2, "a network and a branch"
    rng = random.Random(1)
    for path in checkpoints:
        path.write_bytes(flipped(path.read_bytes(), rng.randrange(8 * path.stat().st_size)))
    for path in cells.glob("*.npz"):
        path.unlink()
    code, out, _ = run(*options, cache=tmp_path / "cache")
    assert code == 0, out
    assert all(str(path) in caplog.text for path in checkpoints)
    assert {path.name: path.read_bytes() for path in checkpoints} == made
    assert {path.name for path in cells.glob("*.npz")} == set(before)
