"""Every study end to end through the command line, at the smallest size, and that its tables say what is stored."""

import json

import numpy as np
import pytest
from study_pages import check_outputs, frame

from ttt_bench.report.loading import read_run
from ttt_bench.studies.mask_ratio import RATIOS
from ttt_bench.studies.noise import SCALES

pytestmark = pytest.mark.slow


def test_components_and_again(study):
    folder, out = study("components", "--seeds", "2")
    page = check_outputs(folder)
    table = frame(folder)
    assert list(table["label"]) == [
        "base", "bn", "TBS", "TBS + projection", "TBS + mask, image", "TBS + projection + mask",
    ]  # fmt: skip
    assert (table["n"] == 2).all()
    for column in ("last/delta_mean", "last/delta_sd", "last/delta_bn_mean", "last/gain/depth_mean"):
        assert np.isfinite(table[column]).all(), column
    assert "Farthest from `bn`" in page
    assert "± sample sd over seeds" in page
    assert "Δ−bn" in out
    cells = {path: path.read_bytes() for path in (folder / "cells").iterdir()}
    _, out = study("components", "--seeds", "2")
    assert "0 pieces of work done, 12 cells were already there" in out
    assert cells == {path: path.read_bytes() for path in (folder / "cells").iterdir()}


def test_masking_in_joint_training_says_what_delta_contains(study):
    folder, _ = study("masking", "--training", "joint")
    page = check_outputs(folder)
    assert "what the branch did to the source network" in page
    runs = [read_run(path) for path in (folder / "cells").iterdir()]
    trained = {run.options["strategy"]: run.cell["checkpoint"] for run in runs if run.method == "s4t"}
    assert len(set(trained.values())) == 4, "each strategy has a network of its own"


def test_mask_ratio(study):
    folder, _ = study("mask-ratio")
    check_outputs(folder)
    labels = list(frame(folder)["label"])
    assert labels == ["base", "bn", *(f"ratio {ratio:g}" for ratio in RATIOS)]


def test_noise_takes_delta_against_both_bases(study, run):
    folder, _ = study("noise", "--methods", "tent")
    page = check_outputs(folder)
    table = frame(folder).set_index(["input_noise", "label"])
    assert set(table.index.get_level_values(0)) == set(SCALES)
    noisy, clean = table["last/delta_mean"], table["last/delta_clean_mean"]
    for method in ("base", "bn", "tent"):
        assert noisy[0.0, method] == clean[0.0, method], "without noise both bases are the same one"
    for scale in SCALES:
        assert noisy[scale, "base"] == 0
    assert clean[0.4, "base"] != 0
    depth = {s: table.loc[(s, "base"), "last/depth/rmse_mean"] for s in (0.0, 0.4)}
    miou = {s: table.loc[(s, "base"), "last/semseg/miou_mean"] for s in (0.0, 0.4)}
    expected = 50 * ((miou[0.4] - miou[0.0]) / miou[0.0] - (depth[0.4] - depth[0.0]) / depth[0.0])
    assert clean[0.4, "base"] == pytest.approx(expected)
    for head in ("Δ, noisy base", "Δ, clean base", "Δ−bn"):
        assert head in page
    # The ordinary report still reads the folder, rows told apart by their noise.
    code, _, _ = run("report", folder.name, "--no-figures", out=folder.parent)
    assert code == 0
    assert "input_noise=0.4" in (folder / "report.md").read_text()


def test_single_task_reads_the_metric_of_its_own_network(study, run):
    folder, _ = study("single-task")
    check_outputs(folder)
    table = frame(folder).set_index("label")
    assert list(table.index) == [f"{m}, {kind}" for m in ("base", "bn", "s4t") for kind in ("multi", "single")]
    runs = [read_run(path) for path in (folder / "cells").iterdir()]
    alone = {(r.method, *r.cell["tasks"]): r for r in runs if len(r.cell["tasks"]) == 1}
    multi = {r.method: r for r in runs if len(r.cell["tasks"]) == 2}
    assert len(alone) == 6
    gains = []
    for id, sign in (("semseg/miou", 1), ("depth/rmse", -1)):
        task = id.split("/")[0]
        own = alone["s4t", task].values[id][-1]
        assert table.loc["s4t, single", f"last/{id}_mean"] == pytest.approx(own)
        assert table.loc["s4t, multi", f"last/{id}_mean"] == pytest.approx(multi["s4t"].values[id][-1])
        gains.append([sign * 100 * (own / run_.values[id][0] - 1) for run_ in (alone["base", task], multi["base"])])
    assert table.loc["s4t, single", "last/delta_mean"] == pytest.approx(np.mean(gains, axis=0)[0])
    assert table.loc["s4t, single", "last/delta_multi_mean"] == pytest.approx(np.mean(gains, axis=0)[1])
    code, _, err = run("report", folder.name, "--no-figures", out=folder.parent)
    assert code == 0, err


def test_affinity_is_redrawn_from_what_is_stored(study, tmp_path):
    folder, _ = study("affinity", "--finetune-iterations", "2")
    page = check_outputs_with_raw(folder)
    [raw] = [json.loads(path.read_text()) for path in (folder / "study/raw").iterdir()]
    assert set(raw["matrices"]) == {"before", "bn", "after", "fine-tuned"}
    for matrix in raw["matrices"].values():
        assert np.allclose(matrix, np.transpose(matrix))
        assert np.allclose(np.diag(matrix), 1)
    assert raw["matrices"]["before"] != raw["matrices"]["after"]
    assert raw["gaps"]["fine-tuned"] == 0
    assert raw["gaps"]["before"] == pytest.approx(
        abs(raw["matrices"]["before"][0][1] - raw["matrices"]["fine-tuned"][0][1])
    )
    assert raw["fine_tuning"]["iterations"] == 2
    assert "2 iterations of 16 of 8 labelled target images" in page
    (folder / "study/figure.png").unlink()
    _, out = study("affinity", "--finetune-iterations", "2", cache=tmp_path / "empty")
    assert "0 pieces of work done" in out
    assert (folder / "study/figure.png").exists()
    assert not (tmp_path / "empty").exists(), "nothing was trained or decoded again"


def test_a_damaged_measurement_is_named_and_left_out(study, tmp_path):
    from types import SimpleNamespace

    from ttt_bench.measurements.catalogue import stored
    from ttt_bench.sealed import load_sealed_json
    from ttt_bench.store.folder import SweepFolder

    folder, _ = study("tbs-mask")
    [file] = (folder / "study/raw").iterdir()
    store, asked = SweepFolder(tmp_path / "s"), []
    texts = (file.read_text(), "[" * 100_000, file.read_text().replace("0.8", "0.9"), "{}", file.read_text()[:-9])
    for number, text in enumerate(texts):
        asked.append(SimpleNamespace(id=f"{number:016x}"))
        store.measurement_path(asked[-1].id).parent.mkdir(parents=True, exist_ok=True)
        store.measurement_path(asked[-1].id).write_text(text)
    warnings: list[str] = []
    assert stored(asked, store.path, warnings) == [{"id": asked[0].id, **load_sealed_json(file)}]
    assert len(warnings) == 4
    for each, warning in zip(asked[1:], warnings, strict=True):
        assert f"study/raw/{each.id}.json" in warning
    file.write_text("{}")
    _, out = study("tbs-mask")
    assert "1 piece of work done" in out
    assert load_sealed_json(file)


def test_tbs_mask_looks_at_held_out_source_images_alone(study, tmp_path):
    folder, _ = study("tbs-mask")
    check_outputs_with_raw(folder)
    assert not (folder / "cells").exists()
    [raw] = [json.loads(path.read_text()) for path in (folder / "study/raw").iterdir()]
    assert (raw["source"], raw["split"], raw["trained_ratio"]) == ("rooms/studio", "val", 0.8)
    assert np.array(raw["losses"]["total"]).shape == (10, 3)
    open_ = np.array(raw["losses"]["depth"])[0]
    assert np.allclose(open_, open_[0]), "at ratio 0 the noise of the masks hides nothing"
    table = frame(folder)
    assert (table[table["ratio"] == 0]["retained_percent"] == 100).all()
    _, out = study("tbs-mask", cache=tmp_path / "empty")
    assert "0 source networks" in out
    assert not (tmp_path / "empty").exists()


def check_outputs_with_raw(folder):
    assert list((folder / "study/raw").glob("*.json"))
    return check_outputs(folder)


def test_unknown_or_impossible_studies_say_what_to_do(study):
    _, out = study("component", expect=2)
    assert "Did you mean 'components'" in out
    _, out = study("masking", "--methods", "tent", expect=2)
    assert "tent does not have" in out
    _, out = study("tbs-mask", "--methods", "nctt", expect=2)
    assert "no masked synchroniser" in out


def test_help_lists_every_study(run):
    code, out, _ = run("study", "--help")
    assert code == 0
    for name in (
        "components", "masking", "mask-ratio", "noise", "single-task", "affinity", "tbs-mask",
        "headline", "gradients", "alignment", "severity", "cost", "strong-baseline",
    ):  # fmt: skip
        assert f" {name} " in out
