"""A method that ends the program, changes the process or predicts nothing fails alone; the others have their numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ttt_bench.launch.status import look
from ttt_bench.store.folder import SweepFolder
from ttt_bench.store.trajectory import Trajectory

METHODS = Path(__file__).parents[1] / "golden/methods"
TINY = [
    "--pairs", "rooms/studio->rooms/fog", "--size", "32x32", "--steps", "2", "--batches", "2", "--batch-size", "4",
    "--train-iterations", "4", "--train-samples", "16", "--fit-iterations", "2", "--no-figures", "--device", "cpu",
]  # fmt: skip


def cells(folder):
    found = (Trajectory.load(path) for path in (folder / "main/cells").glob("*.npz"))
    return {trajectory.cell["method"]: trajectory for trajectory in found}


@pytest.fixture(scope="module")
def alone(tiny_cache, tmp_path_factory):
    """TTT and TENT without any other method beside them."""
    from ttt_bench.cli import main

    out = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["ttt_bench", "sweep", *TINY, "--methods", "ttt,tent", "--out", str(out),
                                   "--cache", str(tiny_cache / "alone")])  # fmt: skip
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code in (0, None)
    return cells(out)


def assert_same_numbers(one, other):
    assert one.statistics.keys() == other.statistics.keys()
    for name, values in one.statistics.items():
        assert np.array_equal(values, other.statistics[name], equal_nan=True), name
    assert np.array_equal(one.loss, other.loss, equal_nan=True)


def sweep_with(run, name, tmp_path):
    # A cache of its own: the branch of ttt must be fitted beside the method that misbehaves.
    return run("sweep", *TINY, "--methods", "m,ttt,tent", "--method", METHODS / f"{name}.py", cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("exit_0", "asked the program to end"),
        ("exit_import", "cannot be imported: SystemExit"),
        ("predict_empty", "m predicts nothing"),
        ("source_loss_raises", "ValueError: boom"),
    ],
)
def test_it_fails_alone(run, tmp_path, alone, name, reason):
    code, out, err = sweep_with(run, name, tmp_path)
    assert code == 1, out + err
    done = cells(tmp_path / "results")
    assert set(done) == {"base", "bn", "ttt", "tent"}
    for method in ("ttt", "tent"):
        assert_same_numbers(done[method], alone[method])
    folder = SweepFolder(tmp_path / "results/main")
    failures = [folder.failure(id) for id in folder.failed()]
    assert all(reason in failure.error for failure in failures), failures
    assert any(" m " in failure.label for failure in failures)
    assert (tmp_path / "results/main/report.md").exists()
    assert {row.state for row in look(folder).cells} == {"done", "failed"}
    assert any(reason in row.detail for row in look(folder).cells)


@pytest.mark.parametrize("name", ["threads", "mkldnn", "numpy_errors"])
def test_it_changes_nobody_s_numbers(run, tmp_path, alone, name):
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled, np.geterr()
    code, out, err = sweep_with(run, name, tmp_path)
    assert code == (name == "numpy_errors"), out + err  # that one makes its own cell raise, which is its own affair
    done = cells(tmp_path / "results")
    for method in ("ttt", "tent"):
        assert_same_numbers(done[method], alone[method])
    assert (torch.get_num_threads(), torch.backends.mkldnn.enabled, np.geterr()) == before


def test_the_plan_s_own_threads_are_blamed_on_nobody(run, tmp_path, caplog):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        code, out, err = run("sweep", *TINY, "--methods", "tent", cache=tmp_path / "cache")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert code == 0, out + err
    assert "number of threads" not in out + err + caplog.text


def test_workers_have_the_numbers_of_one_process(run, tmp_path, alone):
    """``--jobs`` decides how long it takes, the plan decides how many threads compute."""
    code, out, err = run("sweep", *TINY, "--methods", "ttt,tent", "--jobs", "2", cache=tmp_path / "cache")
    assert code == 0, out + err
    done = cells(tmp_path / "results")
    for method in ("ttt", "tent"):
        assert_same_numbers(done[method], alone[method])
        assert done[method].provenance["threads"] == 1
        assert done[method].cell_id == alone[method].cell_id


def test_another_number_of_threads_has_names_of_its_own(run):
    from ttt_bench.method.registry import parse_methods
    from ttt_bench.plan.plan import make_plan
    from ttt_bench.plan.sweep import SweepConfig

    calls = tuple(parse_methods("ttt"))
    one, two = (
        make_plan(SweepConfig(("rooms/studio->rooms/fog",), calls, size=(32, 32), threads=threads)).cells[-1]
        for threads in (1, 2)
    )
    assert one.id != two.id
    assert one.source.id != two.source.id


def test_more_threads_than_processors_are_refused(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    code, _, err = run("sweep", *TINY, "--methods", "tent", "--threads", "2")
    assert code == 2
    assert "--threads 2" in err
    assert "OMP_NUM_THREADS" in err
