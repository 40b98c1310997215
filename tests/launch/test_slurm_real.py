"""Sweeps on a real Slurm, and everything that goes wrong on one. Run by `slurm/local_cluster run -- pytest -m slurm`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_sweep import REPOSITORY, TINY

from ttt_bench.launch.slurm import commands as queue
from ttt_bench.launch.slurm.submissions import latest_elements, read_submissions
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory


def _slurm_answers():
    return "UP" in (queue.ask("scontrol", "ping") or "")


pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.skipif(
        not _slurm_answers(), reason="no Slurm answers here; try `slurm/local_cluster run -- pytest -m slurm`"
    ),
]

PATIENCE = 1200  # seconds; a machine that others use takes half a minute to import torch
PROFILE = """
partition = "debug"
cpus = 1
walltime = {walltime}
allow_short = true
signal_seconds = 15
array_parallelism = 2
task_minutes = {task_minutes}
seconds_per_update = 0.5
"""

METHODS = '''
import os
import time
from dataclasses import dataclass

from ttt_bench.adaptation import savepoint
from ttt_bench.method.contract import Card, Method, norm_affine
from ttt_bench.store import claims

savepoint.SAVE_EVERY_SECONDS = 0.5  # a test cannot wait for the usual half minute
savepoint.BUSY_SHARE = 1.0
claims.BEAT_SECONDS = 0.5


@dataclass(frozen=True)
class {title}(Method):
    """For tests."""

    name = "{name}"
    card = Card(title="{title}", paper="none", venue="", equation="none", updates="batch norm")
    seconds: float = 0.0

    def updated(self, model):
        return norm_affine(model.network)

    def loss(self, model, images, rng):
        {body}
        time.sleep(self.seconds * float(os.environ.get("SLOW_FACTOR", "0")))
        return sum(output.square().mean() for output in model.network(images).values())
'''


# What breaks it lies outside: an edited file would be another method, with other cells.
BROKEN = """if os.environ.get("BAD"):
            raise ValueError("deliberate")"""


def method_file(folder, name, body="pass"):
    path = folder / f"{name}.py"
    path.write_text(METHODS.format(name=name, title=name.title(), body=body))
    return path


class Cluster:
    """The command line against the real Slurm, in a folder of its own."""

    def __init__(self, folder):
        self.out, self.cache = folder / "results", folder / "cache"
        self.profile, self.short = folder / "test.toml", folder / "short.toml"
        self.profile.write_text(PROFILE.format(task_minutes=0.01, walltime=15))
        self.short.write_text(PROFILE.format(task_minutes=0.01, walltime=2))
        self.folder = SweepFolder(self.out / "main")

    def call(self, *arguments, code=0, inside=(), shell=()):
        """Run the command line, in a shell with further variables, inside a command such as srun; its output."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "SLOW_FACTOR": "1", "COLUMNS": "200", **dict(shell)}
        command = [*inside, sys.executable, "-m", "ttt_bench", *map(str, arguments), "--out", str(self.out)]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def submit(self, *arguments, profile=None, **how):
        """Submit a sweep."""
        place = ["--cache", self.cache, "--executor", "slurm", "--profile", profile or self.profile]
        return self.call("sweep", *TINY, *arguments, *place, **how)

    def until(self, what, condition):
        """Wait for ``condition``; its value."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.3)
        logs = [p.read_text()[-3000:] for p in (self.folder.path / "slurm").glob("*/*.out")]
        pytest.fail(f"waited in vain for {what}\n" + self.call("status", "-v") + "\n".join(logs))

    def idle(self):
        """Wait until nothing waits or runs."""
        self.until("an empty queue", lambda: queue.active(["root"]) == {})

    def cell(self, method, seed, **options):
        """Identity of a cell by what is in its label."""
        cells = [cell for sweep in self.folder.sweeps() for cell in sweep["cells"]]
        words = "".join(f" {key}={value}" for key, value in options.items())
        [found] = {c["id"] for c in cells if f"{method}{words} " in c["label"] and c["seed"] == seed}
        return found

    def running(self, cell, updates=1):
        """Wait until ``cell`` runs and has saved some updates; its job element and its claim."""

        def look():
            claim = self.folder.claims().get(cell)
            saved = self.folder.partial_path(cell).exists()
            return claim if claim and claim.progress[0] >= updates and saved else None

        claim = self.until(f"{cell} to run", look)
        return latest_elements(self.folder)[cell].job, claim


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    yield made
    submissions = read_submissions(made.folder)
    if submissions:
        queue.cancel([job for submission in submissions for job in submission.jobs])
        made.idle()


def local(folder, *arguments):
    """The same sweep on this machine, without Slurm; its trajectories by identity."""
    out = folder / "local"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ttt_bench", "sweep", *TINY, *map(str, arguments), "--no-figures"]
    command += ["--jobs", "2", "--device", "cpu", "--out", str(out), "--cache", str(folder / "local_cache")]
    subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, timeout=PATIENCE)
    return {p.stem: Trajectory.load(p) for p in (out / "main/cells").glob("*.npz")}


def assert_equal_to(expected, folder):
    mine = {p.stem: Trajectory.load(p) for p in (folder.path / "cells").glob("*.npz")}
    assert mine.keys() == expected.keys()
    for cell_id, whole in expected.items():
        for name, value in whole.statistics.items():
            assert np.array_equal(mine[cell_id].statistics[name], value, equal_nan=True), (whole.cell["method"], name)
        assert np.array_equal(mine[cell_id].loss, whole.loss, equal_nan=True)
    return mine


def test_an_array_sweep_with_a_failing_method_equals_a_local_one(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("BAD", "1")
    bad = method_file(tmp_path, "bad", BROKEN)
    what = ["--method", bad, "--methods", "tent,bad", "--protocols", "online,episodic", "--seeds", "2"]
    dry = cluster.call(
        "plan", *TINY, *what, "--cache", cluster.cache, "--executor", "slurm", "--profile", cluster.profile
    )
    assert "16 to submit" in dry
    assert read_submissions(cluster.folder) == []
    said = cluster.submit(*what)
    [submission] = read_submissions(cluster.folder)
    assert [a.stage for a in submission.arrays] == ["train", "adapt", "adapt"], said
    assert all(a.after.startswith("afterany:") for a in submission.arrays[1:])
    assert "16 already queued" in cluster.submit(*what), "nothing is submitted twice"
    assert len(read_submissions(cluster.folder)) == 1
    expected = local(tmp_path, *what)
    cluster.idle()
    assert len(expected) == 12
    assert_equal_to(expected, cluster.folder)
    status = cluster.call("status")
    assert "12 done" in status
    assert "4 failed" in status
    assert "ValueError: deliberate" in status
    logs = [Path(line.partition("log: ")[2]) for line in status.splitlines() if "log: " in line]
    assert len(logs) == 4
    assert all("ValueError: deliberate" in log.read_text() for log in logs)
    assert "4 failed earlier" in cluster.submit(*what)
    assert len(read_submissions(cluster.folder)) == 1, "errors of the code are not tried again unasked"
    monkeypatch.setenv("BAD", "")
    cluster.submit(*what, "--retry", "failed")
    cluster.idle()
    assert cluster.folder.failed() == set(), cluster.call("status")
    assert len(cluster.folder.done()) == 16


def test_a_failed_training_does_not_leave_its_cells_waiting(cluster):
    cluster.submit("--train-lr", "1e30", "--seeds", "1")
    cluster.idle()
    status = cluster.call("status")
    assert "3 failed" in status
    assert "needs train rooms/studio, seed 0, which failed: Source training of rooms/studio, seed 0 diverged" in status


def test_nothing_is_lost_whatever_happens(cluster, tmp_path):
    slow = method_file(tmp_path, "slow")
    common = ["--method", slow, "--steps", "5", "--batches", "4"]
    quick = [*common, "--methods", "slow(seconds=1.0)", "--seeds", "3"]
    long = [*common, "--methods", "slow(seconds=6.0)", "--seeds", "1"]
    cluster.submit(*long, profile=cluster.short)
    cluster.submit(*quick)
    first, second, third = (cluster.cell("slow", seed, seconds="1.0") for seed in range(3))
    endless = cluster.cell("slow", 0, seconds="6.0")

    # scontrol requeue of a running task
    job, _ = cluster.running(first, updates=3)
    subprocess.run(["scontrol", "requeue", job], check=True)

    # kill -9 of a worker; the task outlives it and tries again
    _, claim = cluster.running(second, updates=3)
    os.kill(claim.content["pid"], signal.SIGKILL)

    # slurmd stopped and started mid-sweep
    pid_file = Path(os.environ["LOCAL_CLUSTER"]) / "slurmd.pid"
    daemon = int(pid_file.read_text())
    os.kill(daemon, signal.SIGTERM)
    cluster.until("slurmd to stop", lambda: not Path(f"/proc/{daemon}").exists())
    time.sleep(2)
    subprocess.run(["slurmd"], check=True)

    # scancel of a running task
    job, _ = cluster.running(third, updates=3)
    subprocess.run(["scancel", job], check=True)

    expected = local(tmp_path, *quick) | local(tmp_path, *long)
    cluster.idle()
    assert third not in cluster.folder.done()
    assert cluster.folder.partial_path(third).exists()
    assert "lost" in cluster.call("status", "-v") or "stale" in cluster.call("status", "-v")

    for _ in range(3):  # until complete; what is there is not done again
        stamps = {p: p.stat().st_mtime_ns for p in (cluster.folder.path / "cells").iterdir()}
        cluster.submit(*quick)
        cluster.submit(*long, profile=cluster.short)
        cluster.idle()
        assert stamps.items() <= {p: p.stat().st_mtime_ns for p in (cluster.folder.path / "cells").iterdir()}.items()
        if len(cluster.folder.done()) == len(expected):
            break
    mine = assert_equal_to(expected, cluster.folder)
    assert cluster.folder.failed() == set()
    assert list((cluster.folder.path / "partials").iterdir()) == []
    for cell in (first, second, third, endless):
        assert mine[cell].provenance["resumed"], (mine[cell].cell["options"], mine[cell].provenance)
    # requeued, killed and timed out: each was noticed and counted; a cancelled task is nobody's failure
    assert all(mine[cell].provenance["attempt"] == 2 for cell in (first, second))
    assert mine[endless].provenance["attempt"] >= 2
    assert mine[third].provenance["attempt"] == 1
    log = latest_elements(cluster.folder)[endless].log.read_text()
    assert "timed-out" in log


def test_cancel_takes_a_sweep_back(cluster, tmp_path):
    slow = method_file(tmp_path, "slow")
    cluster.submit("--method", slow, "--methods", "slow(seconds=20.0)", "--seeds", "1")
    assert "Cancelled" in cluster.call("cancel")
    cluster.idle()
    assert "None of its jobs" in cluster.call("cancel")
    status = cluster.call("status")
    assert "done" not in status
    assert "lost" in status


@pytest.fixture
def awkward(tmp_path):
    """A cluster whose results and interpreter lie in a folder that a shell and Slurm would take apart."""
    folder = tmp_path / "my $(touch HACKED) 'q' \"d\" #1"
    folder.mkdir()
    made = Cluster(folder)
    (folder / "venv").symlink_to(sys.prefix)
    python = json.dumps(str(folder / "venv/bin/python"))
    for profile in (made.profile, made.short):
        profile.write_text(f"python = {python}\n{profile.read_text()}")
    return made


def test_a_sweep_submitted_from_inside_a_job_is_done_like_any_other(awkward, tmp_path):
    what = ["--methods", "tent", "--seeds", "2"]
    # What salloc, srun --pty and people's start-up files leave in a shell; each of them alone once broke every task.
    shell = {"SBATCH_TIMELIMIT": "1", "SBATCH_ARRAY_INX": "7", "SQUEUE_STATES": "RUNNING", "SRUN_CPUS_PER_TASK": "9"}
    job = ["srun", "--partition=debug", "--cpus-per-task=1", "--mem-per-cpu=300", "--time=5"]
    awkward.submit(*what, inside=job, shell=shell)
    assert "queued" in awkward.call("sweep", *TINY, *what, "--cache", awkward.cache, "--executor", "slurm", "--profile",
                                    awkward.profile, "--dry-run", shell=shell)  # fmt: skip
    expected = local(tmp_path, *what)
    awkward.idle()
    status = awkward.call("status", "-v", shell=shell)
    assert "6 done" in status, status
    assert_equal_to(expected, awkward.folder)
    assert list(tmp_path.rglob("HACKED")) == []
    [submission] = read_submissions(awkward.folder)
    assert all(element.log.exists() for element in submission.elements(awkward.folder).values())


def test_tasks_that_cannot_begin_are_explained_and_given_up(cluster):
    cluster.profile.write_text('python = "/nowhere/bin/python"\n' + cluster.profile.read_text())
    what = ["--methods", "tent", "--seeds", "1"]
    cluster.submit(*what)
    cluster.idle()
    status = cluster.call("status")
    assert "3 lost" in status
    assert "/nowhere/bin/python" in status
    assert "First mend what Slurm and the logs say" in status
    for _ in range(3):
        said = cluster.submit(*what)
        cluster.idle()
    assert "0 to submit" in said


def test_a_user_without_a_name_asks_for_his_own_jobs(cluster):
    """squeue knows no name for this number; nothing of it may be taken for "nothing waits"."""
    script = "from ttt_bench.launch.slurm import commands as c; print(c.user(), c.active([c.user()]))"
    command = ["setpriv", "--reuid", "54321", "--clear-groups", sys.executable, "-S", "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=60)
    if "Permission denied" in done.stderr:
        pytest.skip("the clone or the interpreter lies in a folder that other users may not enter")
    assert done.stdout.split(None, 1) == ["54321", "{}\n"], done.stderr
