"""The class track from the command line: every method on tiny networks, and what is left out with its reason."""

import pytest

from ttt_bench.store.trajectory import Trajectory

TINY = [
    "--track", "class", "--pairs", "objects/studio->objects/fog", "--steps", "1", "--batches", "1", "--batch-size", "6",
    "--train-iterations", "4", "--train-samples", "16", "--fit-iterations", "2",
]  # fmt: skip
METHODS = {"base", "bn", "actmad", "clust3", "nctt", "tent", "tipi", "ttt", "tttflow", "tttpp"}


@pytest.mark.slow
def test_every_method_runs_and_s4t_says_why_it_does_not(run, tmp_path):
    code, out, error = run("sweep", *TINY, "--methods", "all", "--no-figures")
    assert code == 0, error
    assert "s4t on objects/studio->objects/fog (online) needs predictions per pixel" in " ".join(out.split())
    cells = [Trajectory.load(path) for path in (tmp_path / "results/main/cells").glob("*.npz")]
    assert {cell.cell["method"] for cell in cells} >= METHODS
    for cell in cells:
        assert cell.examples["truth/class"].shape == (3,)
        if "prediction/class" in cell.examples:
            assert cell.examples["prediction/class"].shape == (3, 10)


def test_the_track_gives_the_defaults(run):
    code, out, _ = run("plan", "--track", "class", "--methods", "tent")
    assert code == 0
    assert "objects/studio->objects/fog" in out
    assert "2 pairs, 1 source networks" in out
    code, out, _ = run(
        "plan", "--track", "class", "--methods", "tent", "--pairs", "objects/studio->objects/studio+all:5"
    )
    assert code == 0
    assert "15 pairs, 1 source networks" in out


def test_s4t_by_name_is_refused_on_one_label_per_image(run):
    code, _, error = run("plan", "--track", "class", "--methods", "s4t")
    assert code == 2
    assert "needs predictions per pixel" in " ".join(error.split())
