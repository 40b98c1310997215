"""Decoded samples on disk: what stands there, under which key, and that it is made once."""

import numpy as np
import pytest
from samples.small_caches import leftovers, make

from ttt_bench.domains.rooms.domain import Rooms


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


def test_the_size_is_logged_before_building(tmp_path, caplog):
    with caplog.at_level("INFO", logger="ttt_bench.samples.cache"):
        make(tmp_path).build()
    assert "8 test samples of rooms/studio at 16x16" in caplog.text
    assert "GB in" in caplog.text
