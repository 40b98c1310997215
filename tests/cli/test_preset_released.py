"""The preset released and its switches through the command line, to a report that names them."""

import json

import numpy as np
import pytest
from tiny_sweep import TINY

from ttt_bench.store.trajectory import Trajectory

pytestmark = pytest.mark.slow

S4T = [*TINY, "--no-figures", "--device", "cpu"]
S4T[S4T.index("--methods") + 1] = "s4t"
SMALL = [*S4T, "--backbone", "resnet10", "--heads", "conv", "--weights", "none", "--eval-steps", "0,1,2"]
"""What the preset would otherwise ask for: ResNet-50 with ImageNet weights, 40 steps."""


def cells_of(tmp_path, name="main"):
    found = (Trajectory.load(path) for path in (tmp_path / "results" / name / "cells").glob("*.npz"))
    return {cell.cell["method"]: cell for cell in found}


def test_the_preset_runs_from_end_to_end_and_its_report_names_every_accident(run, tmp_path):
    code, out, err = run("sweep", "--preset", "released", *SMALL)
    assert code == 0, out + err
    headline = "Accidents of the S4T release: "
    names = {"aligned-rmse", "first-batch", "input-scaling", "row-normals", "source-weight", "squared-weights"}
    page = (tmp_path / "results/main/report.md").read_text()
    [line] = [line for line in page.splitlines() if headline in line]
    assert names <= set(line.strip("*.").replace(headline, "").split(", "))
    assert "task-order (nothing here)" in line, "rooms count as Taskonomy on both sides"
    assert "s4t source_weight=1.0" in page
    assert headline in out
    tables = list((tmp_path / "results/main/tables").glob("rooms*"))
    assert all("first-batch" in path.read_text() for path in tables if path.suffix in (".md", ".tex"))
    assert "from semseg/miou, depth/rmse_aligned, normal/mean_angle, edge/rmse_aligned" in page
    s4t = cells_of(tmp_path)["s4t"]
    assert s4t.cell["protocol"] == "single"
    assert s4t.cell["options"]["task_weights"] == "automatic"
    assert s4t.cell["source_training"]["weighting"] == "automatic"
    assert (s4t.cell["scaling"], s4t.cell["source_scaling"], s4t.cell["order"]) == ("symmetric", "symmetric", "files")
    assert np.isfinite(s4t.statistics["depth/moments"]).all()
    assert s4t.loss.shape[0] == 1, "one batch is adapted on"
    assert s4t.statistics["depth/moments"].shape[0] == 2, "and all are scored"


@pytest.mark.parametrize(
    ("name", "base_changes", "method_changes"),
    [
        ("input-scaling", True, True),
        ("row-normals", True, True),
        ("source-weight", True, True),
        ("squared-weights", False, True),
        ("aligned-rmse", False, False),
        ("task-order", False, False),
    ],
)
def test_one_switch_changes_the_numbers_it_should(run, tmp_path, name, base_changes, method_changes):
    run("sweep", *S4T, "--name", "plain")
    code, out, err = run("sweep", *S4T, "--released", name)
    assert code == 0, out + err
    plain, switched = cells_of(tmp_path, "plain"), cells_of(tmp_path)
    for method, changes in (("base", base_changes), ("s4t", method_changes)):
        same = plain[method].cell_id == switched[method].cell_id
        assert same != changes
        equal = all(
            np.array_equal(value, switched[method].statistics[key]) for key, value in plain[method].statistics.items()
        ) and np.array_equal(plain[method].loss, switched[method].loss, equal_nan=True)
        assert equal != changes
    assert name in (tmp_path / "results/main/report.md").read_text()


def test_the_first_batch_is_that_of_the_files(run, tmp_path):
    run("sweep", *S4T, "--protocols", "single", "--name", "plain")
    code, out, err = run("sweep", *S4T, "--released", "first-batch", "--seeds", "0,5")
    assert code == 0, out + err
    truths = {
        name: [
            Trajectory.load(path).statistics["depth/moments"][:, 0, 2]
            for path in (tmp_path / "results" / name / "cells").glob("*.npz")
        ]
        for name in ("plain", "main")
    }
    first = truths["main"][0]
    assert all(np.array_equal(first, other) for other in truths["main"]), "the same images whatever the seed"
    assert not np.array_equal(first, truths["plain"][0])
    assert first.sum() == pytest.approx(truths["plain"][0].sum()), "the same images in another order"
    code, _, err = run("sweep", *S4T, "--released", "first-batch", "--protocols", "online")
    assert code == 2
    assert "means the protocol single, not online" in " ".join(err.split())


def test_delta_is_taken_from_what_the_last_sweep_asked_for_unless_the_report_says_otherwise(run, tmp_path):
    def delta_metrics():
        text = (tmp_path / "results/main/report.md").read_text()
        return text.partition("same images and seed, from ")[2].partition(". ")[0]

    run("sweep", *S4T, "--released", "aligned-rmse")
    assert delta_metrics() == "semseg/miou, depth/rmse_aligned, normal/mean_angle, edge/rmse_aligned"
    run("report", "main", "--no-figures", "--metrics", "depth/rmse")
    assert delta_metrics() == "semseg/miou, depth/rmse, normal/mean_angle, edge/rmse_aligned"
    _, out, _ = run("sweep", *S4T)
    assert "0 pieces of work done" in out, "the cells are the same ones"
    assert delta_metrics() == "semseg/miou, depth/rmse, normal/mean_angle, edge/rmse"
    assert "Accidents" not in (tmp_path / "results/main/report.md").read_text()
    run("sweep", *S4T, "--released", "aligned-rmse")
    assert "aligned-rmse" in (tmp_path / "results/main/report.md").read_text()


def test_an_unknown_switch_is_a_usage_error(run):
    code, _, err = run("plan", *TINY, "--released", "first-bach")
    assert code == 2
    assert "Did you mean 'first-batch'?" in err


def test_what_was_asked_is_remembered(run, tmp_path):
    run("sweep", *S4T, "--released", "squared-weights,aligned-rmse")
    [kept] = [json.loads(p.read_text()) for p in (tmp_path / "results/main/sweeps").iterdir()]
    assert kept["config"]["released"] == ["aligned-rmse", "squared-weights"]
    assert kept["accidents"]["rooms/studio->rooms/fog"]["squared-weights"] == "s4t task_weights=automatic"
    assert kept["metrics"] == ["depth/rmse_aligned", "edge/rmse_aligned"]
