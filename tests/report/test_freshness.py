"""A report is made again exactly when it would come out differently."""

import json
import os

import pytest

from ttt_bench.report.freshness import Stamp, inputs_of, read_stamp, write_stamp


@pytest.fixture
def folder(tmp_path):
    for name in ("cells/a.npz", "sweeps/one.json", "sweeps/two.json", "report.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    for position, name in enumerate(("one", "two")):
        os.utime(tmp_path / f"sweeps/{name}.json", (100 + position, 100 + position))
    return tmp_path


def test_inputs_follow_cells_failures_options_and_the_order_of_requests(folder):
    seen = [inputs_of(folder, {"figures": True})]
    assert inputs_of(folder, {"figures": True}) == seen[0]
    os.utime(folder / "sweeps/two.json", (500, 500))
    assert inputs_of(folder, {"figures": True}) == seen[0], "the last request is still the last"
    seen.append(inputs_of(folder, {"figures": False}))
    os.utime(folder / "sweeps/one.json", (600, 600))
    seen.append(inputs_of(folder, {"figures": True}))
    (folder / "cells/b.npz").write_text("")
    seen.append(inputs_of(folder, {"figures": True}))
    (folder / "cells/a.npz").write_text("other")
    seen.append(inputs_of(folder, {"figures": True}))
    (folder / "failures").mkdir()
    (folder / "failures/c.json").write_text("")
    seen.append(inputs_of(folder, {"figures": True}))
    assert len(set(seen)) == len(seen)


def test_a_stamp_counts_only_while_its_files_are_there(folder):
    assert read_stamp(folder) is None
    stamp = Stamp("abc", "table\n", ("report.md",))
    write_stamp(folder, stamp)
    assert read_stamp(folder) == stamp
    (folder / "report.md").unlink()
    assert read_stamp(folder) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{", json.dumps({"inputs": "a"}), json.dumps({"inputs": 1, "text": "", "paths": 3})]
)
def test_a_damaged_stamp_is_no_stamp(folder, content):
    (folder / "tables").mkdir()
    (folder / "tables/stamp.json").write_text(content)
    assert read_stamp(folder) is None
