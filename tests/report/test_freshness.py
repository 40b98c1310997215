"""A report is made again exactly when it would come out differently."""

import json
import os
import shutil

import pytest

from ttt_bench.report.freshness import Stamp, inputs_of, read_stamp, write_stamp


@pytest.fixture
def folder(tmp_path):
    for name in ("cells/a.npz", "sweeps/one.json", "report.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_inputs_follow_the_contents_of_cells_failures_and_requests_and_the_options(folder):
    seen = [inputs_of(folder, {"figures": True}), inputs_of(folder, {"figures": False})]
    for name, content in (
        ("cells/b.npz", "b"), ("cells/a.npz", "other"), ("sweeps/one.json", "two"), ("failures/c.json", "c"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
        seen.append(inputs_of(folder, {"figures": True}))
    assert len(set(seen)) == len(seen)


def test_inputs_do_not_follow_times_or_places(folder, tmp_path_factory):
    before = inputs_of(folder, {})
    os.utime(folder / "cells/a.npz", (500, 500))
    os.utime(folder / "sweeps/one.json", (1, 1))
    assert inputs_of(folder, {}) == before
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder, copy)
    assert inputs_of(copy, {}) == before


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
