"""The whole report: files, frames, bad folders."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from synthetic import plausible, save, trajectory

from ttt_bench.errors import UserError
from ttt_bench.report import build_report
from ttt_bench.report.columns import STREAM_COLUMNS, TRAJECTORY_COLUMNS, columns_text

VALUES = {"semseg": [0.4, 0.5, 0.6], "normal": [50.0, 45.0, 40.0]}
STILL = {"semseg": [0.4] * 3, "normal": [50.0] * 3}


def test_every_path_exists_and_holds_something(drawn):
    assert all(path.stat().st_size > 100 for path in drawn.paths)
    assert len(set(drawn.paths)) == len(drawn.paths)
    names = {path.relative_to(drawn.folder).as_posix() for path in drawn.paths}
    assert {"report.md", "columns.md", "trajectories.parquet", "stream.parquet", "tables/all.csv"} <= names
    for kind, count in (("trajectories", 2), ("stream", 2), ("pictures", 1), ("sync", 1), ("cost", 1)):
        for suffix in ("png", "pdf"):
            assert sum(bool(re.match(rf"figures/{kind}_.*\.{suffix}$", n)) for n in names) == count, kind
    assert not list(drawn.folder.rglob("*.tmp"))


def test_trajectory_frame(drawn):
    frame = pd.read_parquet(drawn.folder / "trajectories.parquet")
    assert list(frame.columns) == list(TRAJECTORY_COLUMNS)
    four, two = 2 + 2 + 2 + 2, 2 + 2  # metrics of the statistics that the builder writes
    assert len(frame) == 8 * 6 * (four + two)
    assert set(frame["git_sha"]) == {"abc123"}
    assert set(frame["torch_version"]) == {"2.0"}
    assert set(frame["target_fingerprint"]) == {"t0"}
    tent = frame[(frame["method"] == "tent") & (frame["seed"] == 1)]
    assert tent["collapsed"].all()
    assert (tent["collapsed_step"] == 3).all()
    one = frame[frame["cell_id"] == frame["cell_id"].iloc[0]]
    at = one[one["step"] == 5]
    wanted = at.loc[at["in_delta"], "gain"].mean()
    assert at["delta"].nunique() == 1
    assert at["delta"].iloc[0] == pytest.approx(wanted)


def test_frames_by_hand(tmp_path):
    cells = (trajectory("base", STILL), trajectory("tent", VALUES))
    build_report(save(tmp_path, *cells), figures=False)
    frame = pd.read_parquet(tmp_path / "trajectories.parquet")
    got = frame[(frame["method"] == "tent") & (frame["metric"] == "normal/mean_angle")].sort_values("step")
    np.testing.assert_allclose(got["value"], [50, 45, 40])
    np.testing.assert_allclose(got["base_value"], 50)
    np.testing.assert_allclose(got["gain"], [0, 10, 20])
    np.testing.assert_allclose(got["delta"], [0, 17.5, 35], atol=1e-9)
    assert got["base_cell_id"].iloc[0] == cells[0].cell_id
    stream = pd.read_parquet(tmp_path / "stream.parquet")
    assert list(stream.columns) == list(STREAM_COLUMNS)
    got = stream[(stream["method"] == "tent") & (stream["metric"] == "semseg/miou")].sort_values(["batch", "end"])
    assert got["batch"].tolist() == [0, 0, 1, 1]
    assert got["end"].tolist() == ["first", "last"] * 2
    assert got["step"].tolist() == [0, 2, 0, 2]
    np.testing.assert_allclose(got["gain"], [0, 50, 0, 50], atol=1e-9)
    np.testing.assert_allclose(got["delta"], [0, 35, 0, 35], atol=1e-9)


def test_each_batch_of_the_stream_is_scored_alone(tmp_path):
    base, tent = trajectory("base", {"depth": [1.0, 1.0]}), trajectory("tent", {"depth": [1.0, 1.0]})
    tent.statistics["depth/moments"][0] = trajectory("x", {"depth": [0.5, 0.5]}).statistics["depth/moments"][0]
    build_report(save(tmp_path, base, tent), figures=False)
    stream = pd.read_parquet(tmp_path / "stream.parquet")
    got = stream[(stream["method"] == "tent") & (stream["metric"] == "depth/rmse") & (stream["end"] == "last")]
    np.testing.assert_allclose(got.sort_values("batch")["value"], [0.5, 1.0])


def test_columns_are_documented(drawn):
    text = (drawn.folder / "columns.md").read_text()
    assert text == columns_text()
    for name in ("trajectories", "stream"):
        for column in pd.read_parquet(drawn.folder / f"{name}.parquet").columns:
            assert f"| `{column}` |" in text, column


def test_summary_csv_equals_the_table(drawn):
    read = pd.read_csv(drawn.folder / "tables" / "all.csv")
    assert list(read.columns) == list(drawn.table.columns)
    np.testing.assert_allclose(read["last/delta_mean"], drawn.table["last/delta_mean"])
    assert len(read) == 8


def test_the_same_cells_give_the_same_files(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / name / "sweep", trajectory("base", STILL), trajectory("tent", VALUES))
        build_report(tmp_path / name / "sweep", out=tmp_path / name / "out", figures=False)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a" / "out").rglob("*.*"))
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_out_leaves_the_sweep_alone(tmp_path):
    save(tmp_path / "sweep", trajectory("base", STILL))
    made = build_report(tmp_path / "sweep", out=tmp_path / "elsewhere", figures=False)
    assert made.folder == tmp_path / "elsewhere"
    assert [p.name for p in (tmp_path / "sweep").iterdir()] == ["cells"]
    assert (tmp_path / "elsewhere" / "report.md").exists()


@pytest.mark.parametrize("prepare", [lambda f: None, lambda f: (f / "cells").mkdir()])
def test_empty_folder(tmp_path, prepare):
    prepare(tmp_path)
    with pytest.raises(UserError, match="holds no finished cell") as caught:
        build_report(tmp_path)
    assert "sweep" in caught.value.hint


def test_only_failed_cells(tmp_path):
    (tmp_path / "failures").mkdir()
    for name in "ab":
        (tmp_path / "failures" / f"{name}.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="but 2 failed ones") as caught:
        build_report(tmp_path)
    assert "status" in caught.value.hint


def test_some_failed_cells_are_said(tmp_path):
    save(tmp_path, trajectory("base", STILL))
    (tmp_path / "failures").mkdir()
    (tmp_path / "failures" / "a.json").write_text("{}")
    made = build_report(tmp_path, figures=False)
    assert "1 piece of work failed" in made.warnings[0]


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:200])


def damage_empty(path):
    path.write_bytes(b"")


def damage_middle(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 200] = b"\0" * 200
    path.write_bytes(bytes(content))


def damage_shape(path):
    odd = trajectory("tent", VALUES)
    odd.statistics["semseg/confusion"] = odd.statistics["semseg/confusion"][:, :2]
    odd.save(path)


def damage_header(path):
    odd = trajectory("tent", VALUES)
    del odd.cell["method"]
    odd.save(path)


@pytest.mark.parametrize("damage", [damage_cut, damage_empty, damage_middle, damage_shape, damage_header])
def test_a_damaged_cell_is_named_and_skipped(tmp_path, damage):
    save(tmp_path, trajectory("base", STILL), trajectory("tent", VALUES), trajectory("tipi", VALUES))
    damage(tmp_path / "cells" / "0001_tent.npz")
    made = build_report(tmp_path, figures=False)
    assert len(made.warnings) == 1
    assert "0001_tent.npz" in made.warnings[0]
    assert made.warnings[0].startswith("Skipped cells/"), "where the folder lies is nobody's business"
    assert "0001_tent.npz" in (tmp_path / "report.md").read_text()
    assert set(made.table["method"]) == {"base", "tipi"}


def test_only_damaged_cells(tmp_path):
    save(tmp_path, trajectory("base", STILL))
    damage_cut(tmp_path / "cells" / "0000_base.npz")
    with pytest.raises(UserError, match=r"None of the 1 cells .* can be read.*0000_base.npz"):
        build_report(tmp_path)


def test_progress_is_told(tmp_path):
    save(tmp_path, trajectory("base", STILL), trajectory("tent", VALUES))
    told = []
    build_report(tmp_path, progress=lambda *call: told.append(call), figures=False)
    assert told == [(1, 2, "reading trajectories"), (2, 2, "reading trajectories")]


def test_importing_the_report_package_is_light():
    code = (
        "import sys, ttt_bench.report; "
        "sys.exit(any(m in sys.modules for m in ('pandas', 'matplotlib', 'tslearn', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_report_needs_neither_torch_nor_tslearn(tmp_path):
    save(tmp_path, plausible("base", 0, "a->b", steps=3), plausible("tent", 0, "a->b", steps=3))
    code = (
        "import sys, pathlib; from ttt_bench.report import build_report; "
        "build_report(pathlib.Path(sys.argv[1]), figures=False); "
        "sys.exit(any(m in sys.modules for m in ('tslearn', 'torch', 'matplotlib')))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
