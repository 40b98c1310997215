"""The command line end to end on a sweep of seconds: resume, failures, concurrency, refusals."""

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

from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory

pytestmark = pytest.mark.slow


def cells_of(out, name="main"):
    return {p.stem: Trajectory.load(p) for p in (Path(out) / name / "cells").glob("*.npz")}


def start(out, cache, *arguments):
    command = [sys.executable, "-m", "ttt_bench", "sweep", *TINY, "--no-figures", "--device", "cpu"]
    command += ["--out", str(out), "--cache", str(cache), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_sweep_then_again_recomputes_nothing(run, tmp_path):
    code, out, _ = run("sweep", *TINY, "--no-figures")
    assert code == 0
    assert "failed" not in out.replace("0 failed", "")
    cells = cells_of(tmp_path / "results")
    assert {t.cell["method"] for t in cells.values()} == {"base", "bn", "tent"}
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "results/main/cells").iterdir()}
    page = tmp_path / "results/main/report.md"
    made = page.stat().st_mtime_ns
    code, again, _ = run("sweep", *TINY, "--no-figures")
    assert code == 0
    assert "0 pieces of work done" in again
    assert stamps == {p: p.stat().st_mtime_ns for p in (tmp_path / "results/main/cells").iterdir()}
    assert page.stat().st_mtime_ns == made, "the report is shown again, not made again"
    table = "rooms/studio->rooms/fog  (protocol"
    assert again[again.index(table) :] == out[out.index(table) :]
    page.unlink()
    run("sweep", *TINY, "--no-figures")
    assert page.exists()


def test_finished_sweep_never_loads_torch(run, tmp_path, tiny_cache):
    run("sweep", *TINY, "--no-figures")
    script = (
        "import sys; sys.argv = ['x', 'plan', *sys.argv[1:]]\n"
        "from ttt_bench.cli import main\nmain()\nassert 'torch' not in sys.modules"
    )
    places = ["--out", str(tmp_path / "results"), "--cache", str(tiny_cache)]
    done = subprocess.run(
        [sys.executable, "-c", script, *TINY, *places], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout


def test_two_runs_give_identical_numbers(run, tmp_path):
    run("sweep", *TINY, "--no-figures")
    run("sweep", *TINY, "--no-figures", out=tmp_path / "other", cache=tmp_path / "cache")
    first, second = cells_of(tmp_path / "results"), cells_of(tmp_path / "other")
    assert first.keys() == second.keys()
    for cell_id, trajectory in first.items():
        for name, value in trajectory.statistics.items():
            assert np.array_equal(value, second[cell_id].statistics[name]), (trajectory.cell["method"], name)
        assert np.array_equal(trajectory.loss, second[cell_id].loss, equal_nan=True)


def test_base_is_the_same_at_every_step_and_bn_is_not(run, tmp_path):
    run("sweep", *TINY, "--no-figures")
    by_method = {t.cell["method"]: t for t in cells_of(tmp_path / "results").values()}
    base, bn = (by_method[m].statistics["depth/moments"] for m in ("base", "bn"))
    assert np.array_equal(base[:, 0], base[:, 2])
    assert not np.array_equal(bn[:, 0], bn[:, 2])
    confusion = by_method["base"].statistics["semseg/confusion"][:, 0].sum((0, 2))
    absent = int((confusion == 0).sum())
    assert absent > 0, "eight small images cannot show all ten classes"
    assert f"{absent} classes never occur" in (tmp_path / "results/main/report.md").read_text()
    assert np.array_equal(base[0, 0], bn[0, 0]), "before any update all methods without batch statistics agree"


def test_worker_processes_agree_with_one_process(run, tmp_path):
    run("sweep", *TINY, "--no-figures")
    code, out, _ = run("sweep", *TINY, "--no-figures", "--jobs", "2", out=tmp_path / "pool", cache=tmp_path / "cache")
    assert code == 0, out
    here, pool = cells_of(tmp_path / "results"), cells_of(tmp_path / "pool")
    assert here.keys() == pool.keys()
    for cell_id in here:
        for name, value in here[cell_id].statistics.items():
            np.testing.assert_allclose(value, pool[cell_id].statistics[name], rtol=1e-4, atol=1e-3)


def test_kill_loses_at_most_the_cell_in_flight(tmp_path, tiny_cache):
    out = tmp_path / "results"
    victim = start(out, tiny_cache, "--seeds", "2")
    deadline = time.monotonic() + 120
    while len(SweepFolder(out / "main").done()) < 2 and time.monotonic() < deadline and victim.poll() is None:
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    kept = {p: p.read_bytes() for p in (out / "main/cells").glob("*.npz")}
    assert kept
    for claim in (out / "main/claims").glob("*.json"):  # what a minute without heartbeat would do
        os.utime(claim, (1, 1))
    again = start(out, tiny_cache, "--seeds", "2")
    text, _ = again.communicate(timeout=240)
    assert again.returncode == 0, text
    assert len(SweepFolder(out / "main").done()) == 6
    assert all(p.read_bytes() == content for p, content in kept.items())


def test_two_sweeps_share_a_folder(tmp_path):
    out, cache = tmp_path / "results", tmp_path / "cache"
    both = [start(out, cache), start(out, cache)]
    texts = [p.communicate(timeout=300)[0] for p in both]
    assert [p.returncode for p in both] == [0, 0], texts
    assert len(cells_of(out)) == 3
    assert not list((out / "main").glob("failures/*"))


BAD_METHOD = '''
from dataclasses import dataclass
from ttt_bench.method.contract import Card, Method

@dataclass(frozen=True)
class Bad(Method):
    """Fails."""
    name = "bad"
    card = Card(title="Bad", paper="none", venue="", equation="none", updates="nothing")
    def updated(self, model):
        return model.network.parameters()
    def loss(self, model, images, rng):
        raise ValueError("deliberate")
'''


def test_failing_cell_is_recorded_and_the_sweep_goes_on(run, tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(BAD_METHOD)
    arguments = ("sweep", *TINY, "--no-figures", "--method", file, "--methods", "bad,tent")
    code, out, _ = run(*arguments)
    assert code == 1
    assert "ValueError: deliberate" in out
    folder = SweepFolder(tmp_path / "results/main")
    assert len(folder.done()) == 3
    [failed] = folder.failed()
    assert "deliberate" in folder.failure(failed).traceback
    code, out, _ = run("status")
    assert "1 failed" in out
    assert "3 done" in out
    run(*arguments)
    assert folder.failure(failed).attempt == 1, "failures are not retried unless asked for"
    run(*arguments, "--retry", "failed")
    assert folder.failure(failed).attempt == 2


def test_an_edited_method_is_run_anew(tmp_path, tiny_cache):
    file, out = tmp_path / "bad.py", tmp_path / "results"
    for body, failures in (('raise ValueError("deliberate")', 1), ("return model.network(images)['depth'].mean()", 1)):
        file.write_text(BAD_METHOD.replace('raise ValueError("deliberate")', body))
        sweep = start(out, tiny_cache, "--method", file, "--methods", "bad")
        text, _ = sweep.communicate(timeout=240)
        assert len(SweepFolder(out / "main").failed()) == failures, text
    assert sweep.returncode == 0, text
    assert {t.cell["method"] for t in cells_of(out).values()} == {"base", "bn", "bad"}


def test_diverging_loss_is_reported_as_collapsed(run, tmp_path):
    file = tmp_path / "bad.py"
    file.write_text(BAD_METHOD.replace(
        'raise ValueError("deliberate")', "return model.network(images)['depth'].mean() * float('nan')"
    ))  # fmt: skip
    code, out, _ = run("sweep", *TINY, "--no-figures", "--method", file, "--methods", "bad")
    assert code == 0, out
    [bad] = [t for t in cells_of(tmp_path / "results").values() if t.cell["method"] == "bad"]
    assert bad.collapsed_step == 1
    assert "loss nan at update 1" in bad.summary["collapse_reason"]


def test_training_resumes_bit_identically(tmp_path, monkeypatch):
    import torch

    from ttt_bench.domains.catalogue import open_domain
    from ttt_bench.networks.config import NetworkConfig
    from ttt_bench.samples.loading import SampleSet
    from ttt_bench.source import checkpoints, loop, training
    from ttt_bench.source.spec import SourceSpec, TrainingConfig

    domain = open_domain("rooms/studio", (32, 32), {})
    samples = SampleSet(domain, "train", 12, domain.classes, None)
    config = TrainingConfig(iterations=6, batch_size=4, lr=1e-3, samples=12)
    spec = SourceSpec(
        domain.name, domain.fingerprint(), domain.tasks, domain.classes, (32, 32),
        NetworkConfig("resnet10", "conv", hidden=8), config, seed=3,
    )  # fmt: skip
    whole = checkpoints.load(training.train(spec, samples, tmp_path / "a"), spec)

    class Killed(BaseException):
        pass

    def kill(done, total, text):
        raise Killed

    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", -1.0)
    real = loop.batch_at
    monkeypatch.setattr(loop, "batch_at", lambda s, c, seed, i: kill(0, 0, "") if i == 4 else real(s, c, seed, i))
    with pytest.raises(Killed):
        training.train(spec, samples, tmp_path / "b")
    assert checkpoints.partial_path(tmp_path / "b", spec.id).exists()
    seen = []
    monkeypatch.setattr(loop, "batch_at", lambda s, c, seed, i: seen.append(i) or real(s, c, seed, i))
    resumed = checkpoints.load(training.train(spec, samples, tmp_path / "b"), spec)
    assert seen == [4, 5]
    assert all(torch.equal(whole["network"][k], resumed["network"][k]) for k in whole["network"])
    assert not checkpoints.partial_path(tmp_path / "b", spec.id).exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--methods", "tennt"], "Did you mean 'tent'"),
        (["--methods", "s4t(mask_ration=0.5)"], "mask_ratio"),
        (["--methods", "s4t(mask_ratio=lots)"], "'lots' is not a number"),
        (["--methods", "s4t(mask_ratio)"], "has no value"),
        (["--pairs", "rooms/studio->rooms/fogg"], "fog"),
        (["--pairs", "rooms/studio"], "is not a pair"),
        (["--pairs", "nyudv2->nyudv2+fog:5"], "nyudv2"),
        (["--pairs", "rooms/studio->rooms/fog", "--data", "nyudv2"], "--data 'nyudv2' is not NAME=FOLDER"),
        (["--size", "sixty"], "--size 'sixty' is not HxW"),
        (["--size", "8x8"], "--size must be at least 32"),
        (["--seeds", "none"], "--seeds, a count, 'none' is not"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--eval-steps", "0,5,3"], "--eval-steps 0,5,3"),
        (["--protocols", "onlin"], "Did you mean 'online'"),
        (["--recipes", "nativ"], "Did you mean 'native'"),
        (["--training", "share"], "Did you mean 'shared'"),
        (["--tasks", "depht"], "Did you mean 'depth'"),
        (["--preset", "quick"], "--preset 'quick'"),
        (["--backbone", "resnet51"], "--backbone 'resnet51' is unknown"),
        (["--heads", "deep"], "--heads 'deep' is unknown"),
        (["--name", "../up"], "--name '../up'"),
        (["--device", "gpu"], "--device 'gpu' is not a device"),
        (["--retry", "all"], "--retry 'all'"),
        (["--method", "missing.py"], "missing.py does not exist"),
    ],
)
def test_bad_options_are_named(run, arguments, expected):
    code, out, err = run("sweep", *TINY, "--no-figures", *arguments)
    assert code in (1, 2)
    text = " ".join((out + err).split())
    assert expected in text
    assert "Traceback (most recent call last)" not in text


def test_status_and_report_of_nothing(run):
    for command in ("status", "report"):
        code, _, err = run(command, "nothing")
        assert code == 2
        assert "nothing" in err


def test_sweep_settings_are_remembered(run, tmp_path):
    run("sweep", *TINY, "--no-figures")
    [settings] = [json.loads(p.read_text()) for p in (tmp_path / "results/main/sweeps").iterdir()]
    assert len(settings["cells"]) == 3
    assert settings["config"]["steps"] == 2


def test_every_protocol_and_both_trainings(run, tmp_path):
    arguments = ["--methods", "nctt,tttflow", "--protocols", "episodic,single", "--training", "shared,joint"]
    code, out, _ = run("sweep", *TINY, "--no-figures", *arguments)
    assert code == 0, out
    cells = [t.cell for t in cells_of(tmp_path / "results").values()]
    assert len(cells) == 2 * 2 * 4
    joint = {c["method"]: c["checkpoint"] for c in cells if c["training"] == "joint"}
    shared = {c["method"]: c["checkpoint"] for c in cells if c["training"] == "shared"}
    assert len(set(shared.values())) == 1, "shared training: one network for all"
    assert joint["nctt"] != shared["nctt"], "its branch is trained with the network"
    assert joint["tttflow"] == joint["base"] == shared["base"], "its flow is always fitted afterwards"
