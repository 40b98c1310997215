"""Damaged files in a folder of results, met by the commands that people type: each is named, what is sound goes on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tiny_sweep import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "report"))
from synthetic import trajectory

from ttt_bench.store.folder import SweepFolder

ROBUST = REPOSITORY / "tests" / "golden" / "robust"
FOG = "rooms/studio->rooms/fog"


@pytest.fixture
def results(tmp_path):
    """The folder of a sweep called ``s``: one finished cell and its request."""
    folder = SweepFolder(tmp_path / "results" / "s")
    cells = [trajectory(method, {"semseg": [0.4, 0.5]}) for method in ("base", "tent")]
    asked = []
    for number, cell in enumerate(cells):
        object.__setattr__(cell, "cell_id", f"{number:016x}")
        folder.save(cell)
        asked.append({"id": cell.cell_id, "label": f"{cell.cell['method']} {FOG}"})
    folder.remember("asked", {"cells": asked})
    return folder.path


def put(results: Path, name: str, place: str) -> str:
    (results / place).mkdir(exist_ok=True)
    shutil.copy(ROBUST / name, results / place / name)
    return name


@pytest.mark.parametrize(
    ("name", "place", "commands"),
    [
        ("cell_compression.npz", "cells", [["report", "s", "--no-figures"], ["status", "s", "-v"]]),
        ("sweeps_list.json", "sweeps", [["status", "s", "-v"], ["report", "s", "--no-figures"]]),
        ("slurm_empty.json", "slurm", [["status", "s", "-v"]]),
    ],
)
def test_a_damaged_file_is_named_and_the_sound_ones_are_shown(run, results, caplog, name, place, commands):
    put(results, name, place)
    for command in commands:
        code, out, err = run(*command)
        assert code == 0, out + err
        assert name in out + err + caplog.text
        assert "tent" in out


def test_a_damaged_cell_of_the_sweep_is_shown_as_damaged(run, results):
    shutil.copy(ROBUST / "cell_compression.npz", results / "cells" / f"{1:016x}.npz")
    code, out, err = run("status", "s", "-v")
    assert code == 0, out + err
    assert any(line.startswith("damaged") and f"{1:016x}" in line for line in out.splitlines())
    assert any(line.startswith("done") and f"{0:016x}" in line for line in out.splitlines())


def test_cancel_names_a_submission_that_it_cannot_read(run, results, caplog):
    name = put(results, "slurm_empty.json", "slurm")
    code, out, err = run("cancel", "s", "--out", results.parent)
    assert code == 2
    assert name in out + err + caplog.text


def test_a_manifest_that_nests_too_deep_is_named(run, tmp_path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text("[" * 100_000)
    code, out, err = run("parity", tmp_path)
    assert code == 2
    assert str(manifest) in out + err


def test_a_study_goes_on_without_a_damaged_cell(results):
    from ttt_bench.method.registry import parse_methods
    from ttt_bench.plan.sweep import SweepConfig
    from ttt_bench.studies.catalogue import find_study
    from ttt_bench.studies.contract import Stored
    from ttt_bench.studies.parts import Request
    from ttt_bench.studies.writing import write_study

    study = find_study("masking")
    config = SweepConfig(pairs=(FOG,), methods=tuple(parse_methods("s4t")), size=(32, 32))
    parts = study.parts(config, Request())
    store = SweepFolder(results)
    first, second, third, *_ = parts[0].titles
    for id, method in ((first, "base"), (second, "s4t")):
        cell = trajectory(method, {"semseg": [0.4, 0.5]})
        object.__setattr__(cell, "cell_id", id)
        store.save(cell)
    shutil.copy(ROBUST / "cell_compression.npz", store.cell_path(third))
    there = Stored(tuple(parts), results)
    paths, tables = write_study(study, there, "study masking", figures=False)
    assert len(there.warnings) == 1
    assert f"cells/{third}.npz" in there.warnings[0]
    page = next(path for path in paths if path.suffix == ".md").read_text()
    assert "WARNING" in page
    assert f"{third}.npz" in page
    assert tables


def test_results_that_cannot_be_written_are_shown_and_reported_elsewhere(run, results, tmp_path):
    (results / "tables").write_text("in the way, as no permission would be")
    code, out, err = run("report", "s", "--no-figures")
    assert code == 2
    assert "tent" in out, "the table is printed all the same"
    assert "--to FOLDER" in err
    code, out, err = run("report", "s", "--no-figures", "--to", tmp_path / "elsewhere")
    assert code == 0, out + err
    assert (tmp_path / "elsewhere" / "report.md").is_file()
