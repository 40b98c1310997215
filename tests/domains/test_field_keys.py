"""Keys of ``--data``, of data.toml and of the environment that name nothing are refused, not ignored."""

import pytest
from domains.trees import make_frames
from tiny_sweep import TINY

PLAN = ["plan", *TINY[2:], "--pairs", "nyudv2->nyudv2+fog:3", "--methods", "bn"]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def frames(tmp_path):
    return make_frames(tmp_path / "frames")


def words(err):
    return " ".join(err.split())


@pytest.mark.parametrize("key", ["nyuv2", "NYUDv2", "nyudv2 x", "rooms"])
def test_an_unknown_key_is_named_with_the_nearest(run, frames, monkeypatch, key):
    monkeypatch.setenv("TTT_BENCH_NYUDV2", str(frames))
    code, _, err = run(*PLAN, "--data", f"{key}={frames}")
    assert code == 2
    assert f"no domain {key!r} has files" in words(err)
    assert "Did you mean 'nyudv2'?" in words(err) or key == "rooms"
    assert run("doctor", "--data", f"{key}={frames}")[0] == 2


def test_a_key_given_twice_is_refused_whichever_comes_first(run, frames):
    for order in (("/nowhere", frames), (frames, "/nowhere")):
        code, _, err = run(*PLAN, *(part for root in order for part in ("--data", f"nyudv2={root}")))
        assert code == 2
        assert "--data nyudv2 is given twice" in words(err)
    assert run(*PLAN, "--data", f" nyudv2 ={frames}")[0] == 0


def test_a_variable_that_names_no_domain_is_refused(run, frames, monkeypatch):
    monkeypatch.setenv("TTT_BENCH_NYUV2", str(frames))
    code, _, err = run(*PLAN, "--data", f"nyudv2={frames}")
    assert code == 2
    assert "TTT_BENCH_NYUV2 names no domain" in words(err)
    assert "Did you mean 'TTT_BENCH_NYUDV2'?" in words(err)


def test_a_user_without_a_home_is_one_message(run, frames, monkeypatch):
    code, _, err = run(*PLAN, "--data", "nyudv2=~nobody-of-that-name/nyu")
    assert code == 2
    assert "there is no home folder for ~nobody-of-that-name" in words(err)
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "")
    assert run(*PLAN, "--data", f"nyudv2={frames}")[0] == 0
