"""A plan of 5,000 cells: planned within 10 s, looked at within 5 s."""

import json
import time

import numpy as np
import pytest

from ttt_bench.launch.slurm.submissions import Submission, SubmittedArray
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory

pytestmark = pytest.mark.slow

WHAT = [
    "--pairs", "rooms/studio->rooms/fog,rooms/studio->rooms/dusk", "--methods", "all", "--seeds", "38",
    "--protocols", "online,episodic,single", "--recipes", "native,paper",
]  # fmt: skip


def finished_cell():
    """The bytes of a trajectory of ordinary size."""
    shape = (8, 11)
    statistics = {"semseg/confusion": np.ones((*shape, 7, 7)), "depth/moments": np.ones((*shape, 6))}
    scored, adapted = np.ones(shape), np.ones((8, 10))
    summary = {"collapsed_step": None, "collapse_reason": ""}
    return Trajectory(
        "x", {"pair": "p"}, {"git_sha": "s"}, tuple(range(11)), statistics,
        adapted, adapted, scored, adapted, adapted, summary,
    )  # fmt: skip


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text("gpus = 1\n")
    return path


def test_plan_and_status_of_5000_cells_are_quick(run, tmp_path, profile, monkeypatch):
    from ttt_bench.cli import planning

    plans = []
    monkeypatch.setattr(planning, "_plan_lines", lambda plan, states: plans.append(plan) or [])
    start = time.process_time()
    code, out, err = run("plan", *WHAT, "--executor", "slurm", "--profile", profile)
    planning = time.process_time() - start
    assert code == 0, err
    [plan] = plans
    assert len(plan.cells) >= 5000
    assert f"{len(plan.cells)} to submit" in out
    assert planning < 10

    folder = SweepFolder(tmp_path / "results/main")
    folder.remember("s", {"cells": [{"id": cell.id, "label": cell.label} for cell in plan.cells]})
    ids = [cell.id for cell in plan.cells]
    done, running, failed, queued = ids[600:], ids[:200], ids[200:300], ids[300:600]
    finished_cell().save(folder.cell_path("template"))
    content = folder.cell_path("template").read_bytes()
    folder.cell_path("template").unlink()
    for id in done:
        folder.cell_path(id).write_bytes(content)
    (folder.path / "claims").mkdir()
    for id in running:
        (folder.path / "claims" / f"{id}.json").write_text(json.dumps({"started": time.time(), "done": 3, "total": 80}))
    for id in failed:
        folder.fail(id, "label", "ValueError: no")
    arrays = (SubmittedArray("5", "adapt", tuple((id,) for id in ids)),)
    Submission("20250101-000000-aaaa", time.time(), "nobody", {}, arrays, {}).write(folder)
    start = time.process_time()
    code, out, err = run("status")
    looking = time.process_time() - start
    assert code == 0, err
    assert f"{len(done)} done, 200 running, {len(queued)} queued, 100 failed" in out
    assert looking < 5
