"""The paper's four pairs, from files to a table through the command line, on miniature trees."""

import numpy as np
import pytest
from domains.trees import make_package, make_pascal, make_taskonomy
from tiny_sweep import TINY

from ttt_bench.store.trajectory import Trajectory

SEVEN = ["refrigerator", "table", "toilet", "sofa", "bed", "sink", "chair"]
SIX = ["table", "tv", "bottle", "sofa", "potted plant", "chair"]
FOUR_TASKS = ["semseg", "depth", "normal", "edge"]
PAIRS = [
    ("taskonomy->nyudv2", SEVEN, FOUR_TASKS),
    ("nyudv2->taskonomy", SEVEN, FOUR_TASKS),
    ("taskonomy->pascal", SIX, ["semseg", "normal", "edge"]),
    ("pascal->taskonomy", SIX, ["semseg", "normal", "edge"]),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    place = tmp_path_factory.mktemp("data sets")
    make_package(place / "NYUDv2", train=24)
    make_pascal(place / "PASCALContext", train=24)
    make_taskonomy(place / "tx", views=9)
    names = {"nyudv2": place / "NYUDv2", "pascal": place / "PASCALContext", "taskonomy": place / "tx"}
    return [word for name, folder in names.items() for word in ("--data", f"{name}={folder}")]


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "classes", "tasks"), PAIRS)
def test_a_pair_of_the_paper_runs_from_files_to_a_table(run, data, tmp_path, pair, classes, tasks):
    options = list(TINY)
    options[options.index("--pairs") + 1] = pair
    code, out, err = run("sweep", *options, *data, "--no-figures")
    assert code == 0, out + err
    folder = tmp_path / "results/main"
    cells = [Trajectory.load(path) for path in (folder / "cells").glob("*.npz")]
    assert {cell.cell["method"] for cell in cells} == {"base", "bn", "tent"}
    for cell in cells:
        assert cell.cell["pair"] == pair
        assert list(cell.cell["classes"]) == classes
        assert list(cell.cell["tasks"]) == tasks
        assert all(np.isfinite(values).all() for values in cell.statistics.values())
        confusion = cell.statistics["semseg/confusion"]
        assert confusion.shape[-2:] == (len(classes), len(classes))
        assert confusion.sum() > 0
    table = (folder / "tables/all.csv").read_text()
    assert [task for task in FOUR_TASKS if f"{task}/" in table] == tasks
