"""Small entries of an archive, unpacked in one call: what ``zipfile`` reads, or an error."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttt_bench.store.entry import unpacked


def packed(content: bytes, how: int = zipfile.ZIP_DEFLATED, name: str = "loss.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        archive.writestr("before", b"x" * 9)
        archive.writestr(name, content)
    return file.getvalue()


def read(archive: bytes, name: str = "loss.npy") -> bytes:
    file = io.BytesIO(archive)
    return unpacked(file, zipfile.ZipFile(file).getinfo(name))


@given(st.binary(max_size=3000), st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_the_content_comes_back(content, how):
    assert read(packed(content, how)) == content
    assert read(packed(content * 500, how)) == content * 500


def test_names_beyond_ascii():
    assert read(packed(b"abc", name="größe.npy"), "größe.npy") == b"abc"


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_flipped_bit_gives_another_content(how):
    content = bytes(range(64)) * 3
    good = packed(content, how)
    refused = 0
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            try:
                assert read(bytes(bad)) == content
            except (ValueError, zipfile.BadZipFile, KeyError, NotImplementedError):
                refused += 1
    assert refused > 8 * len(content) // 4


def test_a_bomb_is_unpacked_no_further_than_it_claims():
    bomb = bytearray(packed(b"\0" * 3_000_000))
    where = bomb.rindex(b"PK\1\2")
    bomb[where + 24 : where + 28] = (1000).to_bytes(4, "little")
    with pytest.raises(ValueError, match="not what was stored"):
        read(bytes(bomb))
