"""Trials in rounds, on a sweep of seconds with a method whose best rate is known."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_sweep import TINY

from ttt_bench.store import Trajectory

PLANTED = str(Path(__file__).parent / "planted.py")
OPTIONS = [
    *(word.replace("tent", "planted") for word in TINY),
    "--method",
    PLANTED,
    "--protocols",
    "episodic",
    "--tasks",
    "depth,normal",
]
TUNED = ["sweep", *OPTIONS, "--recipes", "native,tuned", "--no-figures"]


def cells(folder, **wanted):
    found = [Trajectory.load(path, examples=False) for path in sorted((folder / "cells").glob("*.npz"))]
    return [t for t in found if all(t.cell[key] == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, tiny_cache):
    """The finished sweep: (its folder, what ``plan`` said before, what the sweep said)."""
    import contextlib
    import io
    import sys

    from ttt_bench.cli import main

    out = tmp_path_factory.mktemp("tuned")
    said = []
    for command in (["plan", *TUNED[1:-1]], [*TUNED, "--jobs", "1"]):
        text = io.StringIO()
        before, sys.argv = sys.argv, ["ttt_bench", *command, "--out", str(out), "--cache", str(tiny_cache)]
        try:
            with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
                main()
        finally:
            sys.argv = before
        said.append(text.getvalue())
    return out / "main", *said


def test_planted_rate_is_found_on_the_source_alone(swept):
    [tuned] = cells(swept[0], method="planted", recipe="tuned")
    choice = tuned.cell["choice"]
    assert tuned.cell["options"]["lr"] == choice["settings"]["lr"] == 0.5
    assert choice["multiple"] == pytest.approx(31.6228)
    assert not choice["at_edge"]
    assert choice["strategy"] == "source-shift"
    assert [tried["half"] for tried in choice["tried"]] == [-6, -4, -2, 0, 1, 2, 3, 4]


def test_tuned_beats_the_published_rate_on_the_target(swept):
    of = lambda recipe: cells(swept[0], method="planted", recipe=recipe)[0].statistics["depth/moments"]  # noqa: E731
    from ttt_bench.tasks.statistics import rmse

    assert rmse(of("tuned"))[-1] < rmse(of("native"))[-1] - 0.5


def test_trials_equal_the_final_cell_but_for_settings_and_images(swept):
    [tuned] = cells(swept[0], method="planted", recipe="tuned")
    trials = cells(swept[0], method="planted", recipe="trial")
    assert len(trials) == 8 * 4
    varied = {"pair", "target", "target_fingerprint", "options", "changed", "choice", "split", "recipe"}
    for trial in trials:
        assert {k for k in trial.cell if trial.cell[k] != tuned.cell[k]} <= varied
        assert trial.cell["split"] == "val"
        assert trial.cell["target"].startswith("rooms/studio+")


def test_plan_forecast_every_cell_before_any_was_run(swept):
    known = int(re.search(r"(\d+) cells \(", swept[1])[1])
    later = int(re.search(r"(\d+) more cells follow", swept[1])[1])
    assert known + later == len(cells(swept[0]))
    assert "8 trials around the best settings, 1 with what is chosen" in swept[1]


def test_report_shows_the_trail_and_no_trial(swept):
    folder = swept[0]
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "Tuned: settings chosen without any label of the target" in page
    assert "lr=0.5" in page
    assert "gaussian" not in page
    assert page.count("## rooms/studio") == 2  # native and tuned stand in tables of their own
    import pandas as pd

    frame = pd.read_parquet(folder / "trajectories.parquet")
    assert set(frame["recipe"]) == {"native", "tuned"}
    [choice] = frame.query("recipe == 'tuned' and method == 'planted'")["choice"].unique()
    assert len(json.loads(choice)["tried"]) == 8


def test_run_again_does_nothing_and_a_lost_choice_is_made_again_alike(swept, run):
    folder = swept[0]
    before = {path.name for path in (folder / "cells").glob("*.npz")}
    [kept] = (folder / "choices").glob("*.json")
    content = kept.read_text()
    code, said, _ = run(*TUNED, out=folder.parent)
    assert (code, re.search(r"(\d+) pieces of work done", said)[1]) == (0, "0")
    for damage in ("", '{"half": "x"}'):
        kept.write_text(damage)
        code, said, _ = run(*TUNED, out=folder.parent)
        assert (code, re.search(r"(\d+) pieces of work done", said)[1]) == (0, "0")
        assert kept.read_text() == content
    assert {path.name for path in (folder / "cells").glob("*.npz")} == before


def test_a_lost_trial_is_run_again_before_anything_is_chosen_anew(swept, run):
    folder = swept[0]
    [kept] = (folder / "choices").glob("*.json")
    lost = next(path for path in (folder / "cells").glob("*.npz") if _is_trial(path))
    kept.unlink()
    lost.unlink()
    code, said, _ = run(*TUNED, out=folder.parent)
    assert code == 0, said
    assert lost.exists()
    assert kept.exists()


def _is_trial(path):
    cell = Trajectory.load(path, examples=False).cell
    return cell["recipe"] == "trial" and cell["method"] == "planted" and cell["options"].get("lr") == 0.5


def test_status_counts_trials(swept, run):
    code, said, _ = run("status", "main", out=swept[0].parent)
    assert code == 0
    assert f"{len(cells(swept[0]))}" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "tent(lr=1e-4)"], "the rate is what is to be chosen"),
        (["--budget", "5"], "--budget"),
        (["--budget", "12"], "--budget"),
        (["--pairs", "rooms/studio->rooms/fog+gaussian_noise:1+defocus_blur:1+contrast:1+jpeg_compression:1"],
         "every kind of corruption"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_refused_before_anything_runs(options, words, run):
    code, said, err = run("plan", *TINY, "--recipes", "tuned", *options)
    assert code == 2
    assert words in said + err


def test_collapsed_trials_are_recorded_as_such(swept):
    trials = cells(swept[0], method="planted", recipe="trial")
    assert all("collapsed_step" in trial.summary for trial in trials)
    assert all(np.isfinite(trial.statistics["depth/moments"]).all() for trial in trials)
