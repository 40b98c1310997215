"""Cluster profiles: what they may hold, and what a mistake in one is told."""

import os

import pytest
from tiny_sweep import REPOSITORY, TINY

from ttt_bench.errors import UserError
from ttt_bench.launch.slurm.profile import Profile, read_profile


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["cpu", "h100"])
def test_the_examples_are_valid(name):
    profile = read_profile(REPOSITORY / f"slurm/{name}.toml")
    assert profile.name == name
    assert profile.device == ("cuda" if name == "h100" else "cpu")
    assert profile.partition


def test_an_empty_profile_has_usable_defaults(tmp_path):
    assert read_profile(write(tmp_path, "")) == Profile(name="mine")


def test_every_key_is_explained():
    from ttt_bench.launch.slurm.profile import KEYS

    text = (REPOSITORY / "slurm/README.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in text] == []


def test_an_unknown_key_names_file_and_neighbour(tmp_path):
    path = write(tmp_path, 'partiton = "gpu"')
    with pytest.raises(UserError) as caught:
        read_profile(path)
    assert str(path) in caught.value.message
    assert "'partiton'" in caught.value.message
    assert "Did you mean 'partition'?" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("240", 240), ('"04:00:00"', 240), ('"1-12:00:00"', 2160), ('"2-0"', 2880), ('"00:30"', 30), ('"00:29:01"', 30)],
)
def test_walltimes(tmp_path, text, minutes):
    assert read_profile(write(tmp_path, f"walltime = {text}")).walltime == minutes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('walltime = "soon"', "walltime 'soon' is not a time"),
        ('walltime = "90"', "walltime '90' is not a time"),  # sbatch reads minutes, people mean seconds or hours
        ("walltime = true", "walltime True is not a time"),
        ("walltime = 19", "walltime is 19 minutes"),
        ('gpus = "one"', "gpus must be a whole number"),
        ("gpus = true", "gpus must be a whole number"),
        ("gpus = -1", "gpus must be at least 0"),
        ("partition = 3", "partition must be a text"),
        ("array_parallelism = 0", "array_parallelism must be at least 1"),
        ("task_minutes = 0", "task_minutes must be at least 0.001"),
        ('setup = "module load x"', "setup must be a list"),
        ("setup = [1]", "setup must be a list"),
        ("sbatch = 3", "sbatch must be a table"),
        ('memory = "lots"', "memory 'lots' is not a size"),
        ("partition = gpu", "is not TOML"),
        ("x = " + "[" * 100_000, "is not TOML"),
        ("seconds_per_update = inf", "seconds_per_update must be at most 1e+06"),
        ("task_minutes = -inf", "task_minutes must be at least 0.001"),
        ("task_minutes = nan", "task_minutes must be at least 0.001"),
        ("task_minutes = 1" + "0" * 400, "task_minutes must be at most 1e+06"),
        ("cpus = 99999999999999999999", "cpus must be at most 4096"),
        ('walltime = "9999-00:00:00"', "walltime must be at most 527040"),
        ("signal_seconds = 60000", "signal_seconds must be shorter than the walltime"),
        ('container = "run \\"image.sif"', "container is no shell text"),
        ('python = "~nobody-of-that-name/bin/python"', "names an unknown user"),
        ("sbatch = {nice = inf}", "sbatch.'nice' must be finite"),
        ('sbatch = {"x y" = 1}', "sbatch.'x y' is no option"),
        ('sbatch = {"" = 1}', "sbatch.'' is no option"),
        ("sbatch = {cpus_per_task = 4}", "sbatch.'cpus_per_task' has a key of its own"),
        ('sbatch = {output = "/tmp/x"}', "sbatch.'output' is set by the submission itself"),
        ('sbatch = {mail_type = "FAIL", mail-type = "END"}', "sbatch.'mail-type' is given twice"),
        ('setup = ["#SBATCH --time=1"]', "setup holds an option of sbatch"),
    ],
)
def test_wrong_values_are_refused_by_name(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=r"mine\.toml") as caught:
        read_profile(path)
    assert said in caught.value.message


def test_short_walltimes_are_for_test_clusters(tmp_path):
    assert read_profile(write(tmp_path, "walltime = 1\nallow_short = true")).walltime == 1


def test_a_missing_file_names_its_neighbours(tmp_path):
    write(tmp_path, "")
    with pytest.raises(UserError, match="does not exist") as caught:
        read_profile(tmp_path / "min.toml")
    assert "Did you mean 'mine.toml'?" in caught.value.hint


def test_further_sbatch_options(tmp_path):
    profile = read_profile(write(tmp_path, '[sbatch]\nmail_type = "FAIL"\n"--nice" = 10'))
    assert dict(profile.sbatch) == {"mail-type": "FAIL", "nice": 10}


def test_tasks_are_shorter_than_half_a_walltime(tmp_path):
    assert read_profile(write(tmp_path, "walltime = 40")).task_seconds == 1200
    assert read_profile(write(tmp_path, "walltime = 400")).task_seconds == 1800


TEXTS = ("partition", "account", "qos", "memory", "constraint", "exclude", "container", "python")


@pytest.mark.parametrize("bad", ["\\n", "\\r", "\\u0000", "\\u0085", "\\u2028", "\\u001b[2J", "\\u007f"])
@pytest.mark.parametrize(
    ("line", "key"),
    [
        *((f'{key} = "aBADtouch HACKED"', key) for key in TEXTS),
        ('setup = ["module load x", "yBADtouch HACKED"]', "setup"),
        ('sbatch = {comment = "aBADtouch HACKED"}', "sbatch.'comment'"),
        ('[sbatch]\n"aBADtouch HACKEDBAD#" = "x"', "sbatch."),
    ],
)
def test_no_text_adds_lines_to_the_script(tmp_path, line, key, bad):
    path = write(tmp_path, line.replace("BAD", bad))
    with pytest.raises(UserError) as caught:
        read_profile(path)
    assert f"{path}: {key}" in caught.value.message
    assert caught.value.message.isprintable()


def test_other_alphabets_tabs_and_spaces_are_texts_as_well(tmp_path):
    profile = read_profile(write(tmp_path, 'account = "Größe 1"\nsetup = ["if true; then\\tmodule load x; fi"]'))
    assert profile.account == "Größe 1"
    assert "\t" in profile.setup[0]


@pytest.mark.parametrize("name", ["partition_newline", "sbatch_key_newline", "inf"])
def test_plan_refuses_hostile_profiles_with_exit_2(run, name):
    path = REPOSITORY / f"tests/golden/slurm/profile_{name}.toml"
    code, _, err = run("plan", "--executor", "slurm", "--profile", path)
    assert code == 2
    assert path.name in err
    assert {"partition_newline": "partition", "sbatch_key_newline": "sbatch", "inf": "must be"}[name] in err


def test_what_is_no_file_is_said_at_once(tmp_path):
    with pytest.raises(UserError, match="is not a file"):
        read_profile(tmp_path)
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(UserError, match="is not a file"):
        read_profile(tmp_path / "pipe.toml")


@pytest.mark.parametrize(
    "command", [["plan"], ["sweep", "--dry-run"], ["select", "--dry-run"], ["study", "components"]]
)
@pytest.mark.parametrize(("content", "said"), [("cpus = 0", "cpus must be"), ("cpus = 1", "--threads 2")])
def test_a_profile_is_refused_before_anything_is_shown_or_kept(run, tmp_path, command, content, said):
    path, out = write(tmp_path, content), tmp_path / "results"
    places = ["--out", out, "--cache", tmp_path / "cache"] if command[0] in ("select", "study") else []
    options = ["--threads", "2", "--executor", "slurm", "--profile", path, *places]
    code, shown, error = run(*command, *TINY, *options)
    assert (code, shown) == (2, "")
    assert said in error
    assert not out.exists()
