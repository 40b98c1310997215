"""A user's shell, folders and outer jobs do not change what is submitted or what Slurm is asked."""

import json
import os
import pwd
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_sweep import TINY

from ttt_bench.errors import UserError
from ttt_bench.launch import task as node_task
from ttt_bench.launch.slurm import commands
from ttt_bench.launch.slurm.environment import as_slurm_sees_it, slurm_environment
from ttt_bench.launch.slurm.submissions import latest_elements, read_submissions
from ttt_bench.store.folder import SweepFolder

OUTER = {
    "SLURM_JOB_ID": "77", "SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "2",
    "SLURM_MEM_PER_CPU": "4000", "SLURM_MEM_PER_NODE": "1", "SLURM_NTASKS": "1", "SLURM_GPUS_ON_NODE": "1",
    "SLURM_CPU_BIND": "quiet,mask_cpu:0x3", "SLURM_EXPORT_ENV": "NONE", "SLURM_TMPDIR": "/local/77",
    "SLURM_TIME_FORMAT": "relative", "SLURMD_NODENAME": "n1", "SRUN_CPUS_PER_TASK": "2", "SALLOC_PARTITION": "debug",
    "SBATCH_TIMELIMIT": "5", "SBATCH_PARTITION": "debug", "SQUEUE_STATES": "RUNNING", "SQUEUE_USERS": "nobody",
    "SACCT_FORMAT": "Start", "SCONTROL_ALL": "1", "SCANCEL_STATE": "PENDING", "CUDA_VISIBLE_DEVICES": "3",
}  # fmt: skip


@pytest.fixture
def outer(monkeypatch):
    for name, value in OUTER.items():
        monkeypatch.setenv(name, value)


def sweep(profile, *more):
    return ["sweep", *TINY, "--seeds", "2", "--executor", "slurm", "--profile", profile, *more]


def test_nothing_of_an_outer_job_or_the_shell_reaches_slurm(outer, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/other.conf")
    monkeypatch.setenv("SLURMETTE", "a word of the user's own")
    before = dict(os.environ)
    assert not OUTER.keys() & slurm_environment().keys()
    assert slurm_environment()["SLURM_CONF"] == "/etc/slurm/other.conf"
    assert slurm_environment()["SLURMETTE"] == "a word of the user's own"
    with as_slurm_sees_it():
        assert dict(os.environ) == slurm_environment()
    assert dict(os.environ) == before


def test_devices_that_the_user_chose_outside_any_job_are_kept(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert slurm_environment()["CUDA_VISIBLE_DEVICES"] == "3"


def scripts(folder):
    return [path.read_text() for path in sorted(folder.glob("script.*"))]


def test_a_submission_from_inside_a_job_is_the_same_submission(run, slurm, profile, tmp_path, monkeypatch):
    code, _, err = run(*sweep(profile), cache=tmp_path / "cache", out=tmp_path / "a")
    assert code == 0, err
    (slurm / "next").unlink()
    plain = scripts(slurm)
    for name, value in OUTER.items():
        monkeypatch.setenv(name, value)
    code, _, err = run(*sweep(profile), cache=tmp_path / "cache", out=tmp_path / "b")
    assert code == 0, err

    def alike(texts, folder):
        [submission] = read_submissions(SweepFolder(folder / "main"))
        return [text.replace(str(folder), "OUT").replace(submission.id, "ID") for text in texts]

    assert alike(scripts(slurm), tmp_path / "b") == alike(plain, tmp_path / "a")
    seen = (slurm / "env.100").read_text()
    assert [name for name in OUTER if f"\n{name}=" in f"\n{seen}"] == []


def test_what_waits_is_seen_whatever_the_shell_says_of_squeue(run, slurm, profile, tmp_path, outer):
    run(*sweep(profile), cache=tmp_path / "cache")
    elements = latest_elements(SweepFolder(tmp_path / "results/main")).values()
    (slurm / "squeue").write_text("\n".join(f"{element.job}|PENDING" for element in elements))
    _, out, _ = run("status")
    assert "6 cells: 6 queued" in out
    code, out, _ = run(*sweep(profile), cache=tmp_path / "cache")
    assert code == 0
    assert "Nothing to submit" in out
    assert len(list(slurm.glob("script.*"))) == 3


def test_a_job_lives_as_long_as_one_of_its_elements(monkeypatch):
    monkeypatch.setattr(commands, "ask", lambda *_: "102_0|PENDING\n102_1|RUNNING\n103|RUNNING\n")
    living = commands.active(["me"])
    assert set(living) == {"102", "102_0", "102_1", "103"}


def test_nothing_is_submitted_while_nobody_knows_what_is_queued(run, slurm, profile, tmp_path):
    run(*sweep(profile), cache=tmp_path / "cache")
    (slurm / "squeue").unlink()
    code, _, err = run(*sweep(profile), cache=tmp_path / "cache")
    assert code == 2
    assert "squeue does not answer" in err
    assert len(list(slurm.glob("script.*"))) == 3
    code, out, _ = run("plan", *sweep(profile)[1:], cache=tmp_path / "cache")
    assert code == 0
    assert "may be queued already" in out


AWKWARD = "my $(touch HACKED) 'q' \"d\" `b` $HOME ü #1"


def test_the_script_runs_from_and_in_awkward_folders(run, slurm, profile, tmp_path, monkeypatch):
    """The script is executed, with an srun that writes its own arguments down."""
    profile.write_text(
        profile.read_text().replace('container = "apptainer exec --nv image.sif"\npython = "python3"', "")
    )
    profile.write_text(profile.read_text().replace('"module load cuda", "source venv/bin/activate"', ""))
    place = tmp_path / AWKWARD
    place.mkdir()
    python = place / "python"
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    code, out, err = run(*sweep(profile), cache=tmp_path / "cache", out=place / "results")
    assert code == 0, err
    (slurm / "bin/srun").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$FAKE/srun"\n')
    subprocess.run(["bash", slurm / "script.101.sh"], cwd=tmp_path, check=True)
    words = (slurm / "srun").read_text().splitlines()
    [submission] = read_submissions(SweepFolder(place / "results/main"))
    logs = str(place / "results/main/slurm" / submission.id)
    assert words[-5:] == [str(python), "-u", "-m", "submitit.core._submit", logs]
    assert words[words.index("--cpus-per-task") + 1] == "8"
    assert words[words.index("--output") + 1] == f"{logs}/%A_%a_%t_log.out"
    assert f"#SBATCH --output={shlex.quote(f'{logs}/%A_%a_0_log.out')}\n" in scripts(slurm)[1]
    assert not list(tmp_path.rglob("HACKED"))
    printed = out.split("`python -m", 1)[1].rsplit("` shows", 1)[0]
    assert shlex.split(printed) == ["ttt_bench", "status", "main", "--out", str(place / "results")]


@pytest.mark.parametrize("name", ["50%j", "a\nb"])
def test_folders_that_slurm_would_take_for_patterns_are_refused(run, slurm, profile, tmp_path, name):
    code, _, err = run(*sweep(profile), cache=tmp_path / "cache", out=tmp_path / name)
    assert code == 2
    assert "pattern of its own" in " ".join(err.split())
    assert scripts(slurm) == []


def test_the_clone_s_path_is_quoted(monkeypatch, tmp_path):
    import ttt_bench
    from ttt_bench.launch.slurm.submit import _import_path

    package = tmp_path / AWKWARD / "ttt_bench"
    monkeypatch.setattr(ttt_bench, "__file__", str(package / "__init__.py"))
    [line] = _import_path()
    for earlier, expected in ((None, ""), ("/a b", ":/a b")):
        shell = f"{'unset PYTHONPATH' if earlier is None else f'export PYTHONPATH={shlex.quote(earlier)}'}\n{line}\n"
        said = subprocess.run(
            ["bash", "-c", f'{shell}printf %s "$PYTHONPATH"'], capture_output=True, text=True, check=True
        )
        assert said.stdout == f"{package.parent}{expected}"


# --- what a node lacks -------------------------------------------------------------------------


def spoilt(tmp_path, kind):
    if kind == "relative":
        (tmp_path / "here").mkdir()
        return "here"
    if kind == "a file":
        (tmp_path / "file").touch()
        return str(tmp_path / "file")
    return {"missing": str(tmp_path / "missing"), "full": str(tmp_path / "full"), "empty": ""}[kind]


@pytest.mark.parametrize("kind", ["missing", "relative", "a file", "full", "empty"])
@pytest.mark.parametrize("name", ["SLURM_TMPDIR", "TMPDIR"])
def test_a_task_passes_over_temporary_folders_that_it_cannot_use(tmp_path, monkeypatch, kind, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_TMPDIR", raising=False)
    for other in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(other, str(tmp_path / "good"))
    (tmp_path / "good").mkdir()
    (tmp_path / "full").mkdir()
    monkeypatch.setenv(name, spoilt(tmp_path, kind))
    real = Path.write_bytes

    def write(path, content):
        if tmp_path / "full" in path.parents:
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with node_task.private_caches() as folder:
        assert folder.parent == tmp_path / "good"
        (folder / "x").touch()
    assert list((tmp_path / "good").iterdir()) == []
    assert list((tmp_path / "full").iterdir()) == []


def test_a_node_without_any_temporary_folder_is_told(monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(node_task.tempfile, "mkdtemp", refuse)
    with pytest.raises(UserError, match=r"No temporary folder .* /tmp \(Read-only"), node_task.private_caches():
        pass


def test_users_without_a_name_submit_and_ask(run, slurm, profile, tmp_path, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    code, _, err = run(*sweep(profile), cache=tmp_path / "cache")
    assert code == 0, err
    [submission] = read_submissions(SweepFolder(tmp_path / "results/main"))
    assert submission.user == str(os.getuid())
    assert commands.active([submission.user]) == {}
    assert "squeue --noheader --array --me" in (slurm / "calls").read_text()
    with node_task.private_caches():
        pass


# --- tasks that die at once --------------------------------------------------------------------

FATAL = "srun: fatal: SLURM_MEM_PER_CPU, SLURM_MEM_PER_GPU, and SLURM_MEM_PER_NODE are mutually exclusive."


def die(slurm, folder, text=f"{FATAL}\nsrun: error: n1: task 0: Exited with exit code 1\n", state="FAILED|1:0"):
    """Every task that was submitted ends with ``text`` in its log."""
    elements = {element.job: element for element in latest_elements(folder).values()}
    for element in elements.values():
        if text:
            element.log.write_text(text)
    (slurm / "sacct").write_text("".join(f"{job}|{state}\n" for job in elements))


def test_status_says_why_tasks_died_before_they_began(run, slurm, profile, tmp_path):
    run(*sweep(profile), cache=tmp_path / "cache")
    die(slurm, SweepFolder(tmp_path / "results/main"))
    _, out, _ = run("status")
    assert "6 lost" in out
    assert f"FAILED, exit code 1:0; its log ends: {FATAL}" in out
    assert "First mend what Slurm and the logs say" in out
    assert "takes up what is lost" not in out


def test_such_tasks_are_not_submitted_for_ever(run, slurm, profile, tmp_path):
    folder = SweepFolder(tmp_path / "results/main")
    for attempt in range(1, 4):
        code, out, err = run(*sweep(profile), cache=tmp_path / "cache")
        assert code == 0, err
        assert "6 to submit" in out
        assert ("ended before it began: job" in out) == (attempt > 1)
        die(slurm, folder)
    submitted = len(list(slurm.glob("script.*")))
    _, out, _ = run(*sweep(profile), cache=tmp_path / "cache")
    assert "0 to submit" in out
    assert len(list(slurm.glob("script.*"))) == submitted
    _, out, _ = run("status")
    assert FATAL in out
    code, out, _ = run(*sweep(profile, "--retry", "failed"), cache=tmp_path / "cache")
    assert "6 to submit" in out


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "CANCELLED by 1000|0:0"),
        ("", "NODE_FAIL|0:0"),
        ("2026-11-25 started: cell\nslurmstepd: error\n", "FAILED|1:0"),
        ("slurmstepd: *** JOB 1 CANCELLED ***\n", "CANCELLED"),
    ],
)
def test_tasks_that_others_ended_or_that_had_begun_are_simply_taken_up(run, slurm, profile, tmp_path, text, state):
    folder = SweepFolder(tmp_path / "results/main")
    run(*sweep(profile), cache=tmp_path / "cache")
    die(slurm, folder, text, state)
    _, out, _ = run("status")
    assert "The same sweep command again takes up what is lost" in out
    assert "First mend" not in out
    run(*sweep(profile), cache=tmp_path / "cache")
    assert folder.failed() == set()


def test_logs_cannot_steer_a_terminal(run, slurm, profile, tmp_path):
    run(*sweep(profile), cache=tmp_path / "cache")
    die(slurm, SweepFolder(tmp_path / "results/main"), "\x1b]0;owned\x07 bad \x1b[2J\n")
    _, out, _ = run("status")
    assert "bad" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "{", '{"arrays": [{"job": 1}]}', "null"],
)
def test_a_record_that_is_none_is_named_and_passed_over(run, slurm, profile, tmp_path, content):
    run(*sweep(profile), cache=tmp_path / "cache")
    broken = tmp_path / "results/main/slurm/0-empty.json"
    broken.write_text(content)
    (slurm / "squeue").write_text("101_0|RUNNING\n")
    for command in (["status", "-v"], ["cancel", "main", "--out", tmp_path / "results"]):
        code, out, err = run(*command)
        assert code == 0
        assert (out + err).count(str(broken)) == 1
    assert (slurm / "cancelled").read_text().split() == ["101"]


def test_a_record_cannot_hand_options_to_slurm(run, slurm, profile, tmp_path):
    run(*sweep(profile), cache=tmp_path / "cache")
    [path] = (tmp_path / "results/main/slurm").glob("*.json")
    content = json.loads(path.read_text())
    content["arrays"][0]["job"] = "--user=root"
    path.write_text(json.dumps(content))
    code, out, err = run("cancel", "main", "--out", tmp_path / "results")
    assert code == 2, err
    assert str(path) in out + err
    assert not (slurm / "cancelled").exists()
