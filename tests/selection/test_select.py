"""``select`` on a sweep of seconds: tables, figures and frames, made from trials alone."""

from pathlib import Path

import pytest
from tiny_sweep import TINY

PAIRS = "rooms/studio->rooms/fog,rooms/studio->rooms/studio+contrast:3"
OPTIONS = [
    *(word.replace("tent", "planted") for word in TINY), "--method", str(Path(__file__).parent / "planted.py"),
    "--protocols", "episodic", "--tasks", "depth,normal", "--name", "select",
]  # fmt: skip
STRATEGIES = "published,source-shift,consistency,snd,other-pairs,few-labels:4"


@pytest.fixture
def selected(run, tmp_path, tiny_cache):
    options = [option if option != "rooms/studio->rooms/fog" else PAIRS for option in OPTIONS]
    places = ["--out", str(tmp_path / "out"), "--cache", str(tiny_cache), "--jobs", "1"]
    code, said, error = run("select", *options, "--strategies", STRATEGIES, *places)
    assert code == 0, said + error
    return tmp_path / "out" / "select" / "selection", said


def test_every_strategy_is_judged_on_every_pair(selected):
    import pandas as pd

    folder, said = selected
    choices = pd.read_parquet(folder / "choices.parquet")
    # No classes, so no soft neighbourhoods: a strategy without evidence chooses nothing.
    names = {"published", "source-shift", "consistency", "other-pairs", "few-labels:4", "oracle"}
    assert set(choices["strategy"]) == names
    assert choices.groupby("strategy").size().tolist() == [2] * len(names)
    shift = choices[choices["strategy"] == "source-shift"]
    assert shift["multiple"].round(1).tolist() == [31.6, 31.6]
    assert not shift["tried_on"].iloc[1].count("contrast"), "a kind of the target is no proxy for it"
    assert shift["tried_on"].iloc[0].count("contrast") == 1
    others = choices[choices["strategy"] == "other-pairs"]
    assert others["tried_on"].tolist() == ["rooms/studio+contrast:3", "rooms/fog"]
    assert (choices[choices["strategy"] == "oracle"]["regret"] == 0).all()
    assert (choices[choices["strategy"] != "few-labels:4"]["regret"] >= -1e-9).all()
    assert (choices[choices["strategy"] == "published"]["regret"] > 1).all()

    trials = pd.read_parquet(folder / "trials.parquet")
    assert set(trials["images"]) >= {"target", "contrast:3", "gaussian_noise:3", "defocus_blur:3", "jpeg_compression:3"}
    for name, frame in (("trials", trials), ("choices", choices)):
        text = (folder / "columns.md").read_text(encoding="utf-8")
        assert all(f"`{column}`" in text for column in frame.columns), name
    page = (folder / "selection.md").read_text(encoding="utf-8")
    for title in ("How far is each strategy", "what each strategy's choice is worth", "rank the methods alike"):
        assert title in page
    assert "Of the strategies that need no target label" in said
    assert len(list(folder.glob("rates_*.png"))) == 2
    assert (folder / "selection.tex").exists()


def test_select_starts_from_the_published_settings_alone(run):
    code, said, error = run("select", *OPTIONS, "--recipes", "tuned", "--jobs", "1")
    assert code == 2
    assert "select starts from the published settings" in said + error
