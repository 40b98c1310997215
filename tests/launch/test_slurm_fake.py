"""Submission, status and cancel against a faked Slurm on the PATH: what is handed over, and what is made of answers."""

import json
import os
import time
from pathlib import Path

import pytest
from tiny_sweep import REPOSITORY, TINY

import ttt_bench
from ttt_bench.launch import task as tasks
from ttt_bench.launch.slurm.profile import read_profile
from ttt_bench.launch.slurm.schedule import JobArray, Task
from ttt_bench.launch.slurm.submissions import latest_elements, read_submissions
from ttt_bench.launch.task import SweepTask
from ttt_bench.plan.work import Adapt, Context, Train
from ttt_bench.store.folder import SweepFolder

GOLDEN = REPOSITORY / "tests/golden/slurm"


def arguments(profile, *more):
    return ["sweep", *TINY, "--seeds", "2", "--executor", "slurm", "--profile", profile, *more]


def test_a_sweep_is_submitted_in_chunks_with_dependencies(run, slurm, profile, tmp_path):
    code, out, err = run(*arguments(profile), cache=tmp_path / "cache")
    assert code == 0, err
    folder = SweepFolder(tmp_path / "results/main")
    [submission] = read_submissions(folder)
    shape = [(a.stage, a.job, len(a.tasks), a.after) for a in submission.arrays]
    assert shape == [
        ("train", "100", 3, ""),
        ("adapt", "101", 3, "afterany:100_0:100_2"),
        ("adapt", "102", 3, "afterany:100_1:100_2"),
    ]
    assert {len(a.tasks) for a in submission.arrays} == {3}
    scripts = [(slurm / f"script.{n}.sh").read_text() for n in (100, 101, 102)]
    assert all("--ntasks-per-node=1" in script for script in scripts)
    assert "--array=0-2%3" in scripts[1]
    assert "6 to submit" in out
    assert "MaxArraySize 4" in out


def test_the_submission_script_is_as_it_was(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    folder = SweepFolder(tmp_path / "results/main")
    [submission] = read_submissions(folder)
    text = (slurm / "script.101.sh").read_text()
    logs = str((folder.path / "slurm" / submission.id).absolute())
    source = str(Path(ttt_bench.__file__).resolve().parents[1])
    text = text.replace(logs, "LOGS").replace(source, "CLONE")
    golden = GOLDEN / "adapt.sh"
    assert text == golden.read_text(), "if this is meant, write the new script into tests/golden/slurm/adapt.sh"


def test_plan_and_dry_run_say_what_the_submission_does_and_submit_nothing(run, slurm, profile, tmp_path):
    outputs = []
    for command in (["plan", *arguments(profile)[1:]], arguments(profile, "--dry-run"), arguments(profile)):
        code, out, err = run(*command, cache=tmp_path / "cache")
        assert code == 0, err
        outputs.append([line for line in out.splitlines() if line.startswith(("cells: 6", "cost:", "forecast", "│ "))])
    assert outputs[0] == outputs[1]
    assert set(outputs[2]) <= set(outputs[0])
    assert any("GPU-hours" in line for line in outputs[2])
    calls = (slurm / "calls").read_text().splitlines()
    assert sum(call.startswith("sbatch") for call in calls) == 3, "only the last command submits"


def test_what_is_queued_is_not_submitted_again(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    lines = [f"100_{i}|PENDING" for i in range(3)] + [f"101_{i}|PENDING" for i in range(3)] + ["102_1|RUNNING"]
    (slurm / "squeue").write_text("\n".join(lines))
    code, out, _ = run(*arguments(profile), cache=tmp_path / "cache")
    assert code == 0
    assert "2 to submit, 0 are there, 4 already queued" in out
    [_, second] = sorted(read_submissions(SweepFolder(tmp_path / "results/main")), key=lambda s: len(s.arrays))[::-1]
    [array] = second.arrays
    assert len(array.tasks) == 2
    assert array.after == "afterany:100_1:100_2", "the training is in the earlier submission"


def test_a_refusal_is_explained_and_what_went_before_is_kept(run, slurm, profile, tmp_path):
    (slurm / "refuse").write_text("sbatch: error: invalid partition specified: gpu\n")
    code, _, err = run(*arguments(profile), cache=tmp_path / "cache")
    assert code == 2
    assert "invalid partition specified" in err


def test_without_slurm_the_hint_says_where_to_go(run, profile, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    code, out, err = run(*arguments(profile), cache=tmp_path / "cache")
    assert code == 2
    assert "no Slurm on this machine" in err
    assert "1000 is assumed" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--executor", "slrum"], "Did you mean 'slurm'?"),
        (["--executor", "slurm"], "--executor slurm needs --profile"),
        (["--profile", "x.toml"], "--profile is for --executor slurm"),
        (["--executor", "slurm", "--profile", "x.toml", "--jobs", "2"], "--jobs is for this machine"),
        (["--executor", "slurm", "--profile", "x.toml"], "x.toml does not exist"),
    ],
)
def test_options_that_do_not_go_together(run, more, said):
    code, _, err = run("sweep", *TINY, *more)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    ("threads", "cpus", "gpus", "enough"), [(3, 2, 0, 3), (5, 8, 2, 10), (4, 8, 2, 0), (1, 2, 4, 0)]
)
def test_more_threads_than_the_profile_s_cores_are_refused_before_anything_is_submitted(
    run, slurm, tmp_path, threads, cpus, gpus, enough
):
    profile = tmp_path / "own.toml"
    profile.write_text(f"cpus = {cpus}\ngpus = {gpus}\n")
    for command in ("plan", "sweep"):
        asked = ["--executor", "slurm", "--profile", profile, "--threads", threads]
        code, _, err = run(command, *TINY, *asked, cache=tmp_path / "cache")
        assert code == (2 if enough else 0), err
        assert not enough or ("--threads" in err and f"cpus = {enough}" in err)


@pytest.mark.parametrize(
    ("given", "said"),
    [("cpus = 1", ("a task 1 cpus, a training needs 4", "cpus = 4")), ("gpus = 2\ncpus = 8", ("2 gpus", "gpus = 4"))],
)
def test_a_training_of_more_processes_than_a_task_has_room_for_is_refused(run, slurm, tmp_path, given, said):
    profile = tmp_path / "own.toml"
    profile.write_text(f"{given}\n")
    code, _, err = run(*arguments(str(profile), "--train-processes", "4"), cache=tmp_path / "cache")
    assert code == 2
    assert all(words in err for words in said), err
    assert not list(slurm.glob("script.*")), "nothing was submitted"


def test_a_node_with_too_few_cores_says_so_of_every_piece_of_work(tmp_path, monkeypatch):
    from ttt_bench.launch.task import SweepTask
    from ttt_bench.plan.work import Measure

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    context = Context(tmp_path / "s", tmp_path / "cache", {}, threads=2)
    works = tuple(Measure(id, f"work {id}", cell=None, what="tbs-mask") for id in ("a", "b"))
    assert SweepTask(works, {}, context, 60, 90)()["failed"] == 2
    for id in ("a", "b"):
        assert "SLURM_CPUS_PER_TASK" in SweepFolder(context.folder).failure(id).error


def test_status_tells_queued_running_stale_failed_and_lost(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    folder = SweepFolder(tmp_path / "results/main")
    elements = latest_elements(folder)
    cells = [cell["id"] for cell in folder.sweeps()[0]["cells"]]
    queued, running, stale, failed, lost, timed_out = cells
    states = [(queued, "PENDING"), (running, "RUNNING"), (failed, "RUNNING"), (stale, "RUNNING")]
    (slurm / "squeue").write_text("\n".join(f"{elements[id].job}|{state}" for id, state in states))
    (slurm / "sacct").write_text(f"{elements[lost].job}|CANCELLED by 0\n{elements[timed_out].job}|TIMEOUT\n")
    now = time.time()
    claims = folder.path / "claims"
    claims.mkdir()
    beat = {"job": elements[running].job, "started": now - 50, "first": 0, "done": 5, "total": 20}
    (claims / f"{running}.json").write_text(json.dumps(beat))
    (claims / f"{stale}.json").write_text(json.dumps({**beat, "job": elements[stale].job}))
    os.utime(claims / f"{stale}.json", (now - 300, now - 300))
    folder.fail(failed, "label", "Traceback\nValueError: deliberate")
    code, out, _ = run("status", "-v")
    assert code == 0
    assert "6 cells: 1 running, 1 queued, 1 stale, 1 failed, 2 lost" in out
    line = {id: next(line for line in out.splitlines() if id in line) for id in cells}
    assert "5/20 updates" in line[running]
    assert "about 2 min to go" in line[running] or "about 3 min to go" in line[running]
    assert "attempt 1, error: ValueError: deliberate" in line[failed]
    assert "silent for 5 min" in line[stale]
    assert "CANCELLED" in line[lost]
    assert "TIMEOUT" in line[timed_out]
    assert f"{elements[failed].job}_0_log.out" in out


def test_status_works_where_slurm_does_not_answer(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    (slurm / "squeue").unlink()
    code, out, _ = run("status")
    assert code == 0
    assert "6 queued" in out
    assert "may also be lost" in out


def test_cancel_cancels_what_lives_and_nothing_else(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    (slurm / "squeue").write_text("101_0|RUNNING\n999|RUNNING\n102_2|PENDING\n")
    code, out, _ = run("cancel", "main", "--out", tmp_path / "results")
    assert code == 0, out
    assert (slurm / "cancelled").read_text().split() == ["101", "102"]
    code, _, err = run("cancel", "other", "--out", tmp_path / "results")
    assert code == 2
    assert "no submission" in err


def test_work_whose_task_died_without_a_word_is_counted_and_taken_up(run, slurm, profile, tmp_path):
    run(*arguments(profile), cache=tmp_path / "cache")
    folder = SweepFolder(tmp_path / "results/main")
    elements = latest_elements(folder)
    cells = [cell["id"] for cell in folder.sweeps()[0]["cells"]]
    (folder.path / "claims").mkdir()
    for id in cells[:2]:
        (folder.path / "claims" / f"{id}.json").write_text(json.dumps({"job": elements[id].job}))
    (slurm / "sacct").write_text(f"{elements[cells[0]].job}|OUT_OF_MEMORY\n{elements[cells[1]].job}|CANCELLED by 7\n")
    code, out, _ = run(*arguments(profile), cache=tmp_path / "cache")
    assert code == 0
    assert "2 tasks had died without a word" in out.replace("\n", " ")
    assert "6 to submit" in out
    assert folder.failure(cells[0]).kind == "out-of-memory"
    assert folder.failure(cells[1]) is None, "a cancelled task is nobody's failure"
    assert folder.claims() == {}


# --- the task itself ---------------------------------------------------------------------------


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Two cells and the training that they need, whose pool is replaced by a note of what it was given."""
    train = Train("t", "train rooms/studio", source=None)
    cells = (Adapt("a", "cell a", frozenset("t"), cell=None), Adapt("b", "cell b", frozenset("t"), cell=None))
    context = Context(tmp_path / "results", tmp_path / "cache", {})
    given = []
    monkeypatch.setattr(tasks, "run_pool", lambda board, *_: given.append(list(board.open)))
    made = SweepTask(cells, {"t": train}, context, minutes=60, signal_seconds=90)
    made.given = given
    return made


def have_training(task):
    path = task.context.cache / "checkpoints/t.pt"
    path.parent.mkdir(parents=True)
    path.touch()


def test_cells_whose_training_failed_say_so(task):
    folder = SweepFolder(task.context.folder)
    folder.fail("t", "train rooms/studio", "UserError: diverged")
    assert task() == {"done": 0, "skipped": 0, "failed": 2}
    assert task.given == [[]]
    failure = folder.failure("a")
    assert failure.error == "needs train rooms/studio, which failed: UserError: diverged"
    assert failure.kind == "blocked"
    assert failure.retried, "as soon as its training is there"


def test_a_requeued_task_counts_the_life_it_lost(task, monkeypatch):
    have_training(task)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    folder = SweepFolder(task.context.folder)
    for attempt in (1, 2, 3):
        (folder.path / "claims").mkdir(parents=True, exist_ok=True)
        (folder.path / "claims/a.json").write_text(json.dumps({"job": "7_3"}))
        task()
        assert (folder.failure("a").kind, folder.failure("a").attempt) == ("node-loss", attempt)
        assert task.given[-1] == (["a", "b"] if attempt < 3 else ["b"])
    (folder.path / "claims/b.json").write_text(json.dumps({"job": "7_4"}))
    task()
    assert folder.failure("b") is None, "another task's claim is its own affair"


@pytest.mark.parametrize(("minutes", "kind"), [(60, "preempted"), (1, "timeout")])
def test_a_checkpoint_notes_why_and_asks_for_the_same_again(task, minutes, kind):
    task.minutes = minutes
    task._note("started", task.works[0], 0, 1, "")
    task._started = time.monotonic() - 100
    again = task.checkpoint().function
    assert (again.works, again.needs, again.minutes) == (task.works, task.needs, minutes)
    failure = SweepFolder(task.context.folder).failure("a")
    assert (failure.kind, failure.retried) == (kind, True)
    assert SweepFolder(task.context.folder).failure("b") is None


def test_a_task_has_caches_of_its_own_and_leaves_none(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    with tasks.private_caches() as folder:
        assert all(os.environ[name].startswith(str(folder)) for name in tasks.PRIVATE)
        (folder / "x").touch()
    assert not folder.exists()
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_profile_without_frills_asks_for_nothing_special(tmp_path):
    from ttt_bench.launch.slurm.submit import parameters

    path = tmp_path / "plain.toml"
    path.write_text("")
    array = JobArray("adapt", (Task((), 1.0),))
    assert set(parameters(read_profile(path), array, "", "x")) == {
        "job_name", "time", "nodes", "ntasks_per_node", "cpus_per_task", "array_parallelism", "signal_delay_s",
        "stderr_to_stdout", "setup", "srun_args", "additional_parameters",
    }  # fmt: skip


def test_a_study_s_measurements_are_submitted_like_any_work(run, slurm, profile, tmp_path):
    what = [
        *TINY,
        "--executor",
        "slurm",
        "--profile",
        profile,
        "--cache",
        tmp_path / "cache",
        "--out",
        tmp_path / "out",
    ]
    code, _, err = run("study", "tbs-mask", *what, "--methods", "s4t")
    assert code == 0, err
    folder = SweepFolder(tmp_path / "out/study-tbs-mask")
    [submission] = read_submissions(folder)
    assert [array.stage for array in submission.arrays] == ["train", "fit", "adapt"]
    [[measurement]] = submission.arrays[-1].tasks
    assert submission.labels[measurement].startswith("TBS under masks")
    folder.measurement_path(measurement).parent.mkdir(parents=True)
    from ttt_bench.plan.artifacts import standing
    from ttt_bench.plan.work import Measure
    from ttt_bench.sealed import save_sealed_json

    work, context = Measure(measurement, "label", cell=None, what="tbs-mask"), Context(folder.path, tmp_path / "c", {})
    folder.measurement_path(measurement).write_text("{}")
    assert standing([work], context).done == set(), "something that nobody measured is there"
    save_sealed_json(folder.measurement_path(measurement), {"losses": {}})
    assert standing([work], context).done == {measurement}
