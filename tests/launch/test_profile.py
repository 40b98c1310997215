"""Cluster profiles: what they may hold, and what a mistake in one is told."""

import pytest
from tiny_sweep import REPOSITORY

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
        ("task_minutes = 0", "task_minutes must be above 0"),
        ('setup = "module load x"', "setup must be a list"),
        ("setup = [1]", "setup must be a list"),
        ("sbatch = 3", "sbatch must be a table"),
        ('memory = "lots"', "memory 'lots' is not a size"),
        ("partition = gpu", "is not TOML"),
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
