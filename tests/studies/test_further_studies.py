"""The studies beyond the S4T paper's own, end to end at the smallest size, and that they say what is stored."""

import json

import numpy as np
import pytest
from study_pages import check_outputs, frame

pytestmark = pytest.mark.slow

CLASS = [
    "--size", "32x32", "--steps", "1", "--batches", "1", "--batch-size", "8", "--train-iterations", "4",
    "--train-samples", "32", "--fit-iterations", "2", "--device", "cpu",
]  # fmt: skip


def raw(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "study/raw").iterdir())]


def test_headline_parts_add_up_to_what_the_release_would_print(study):
    options = ("--methods", "ttt", "--protocols", "online", "--training", "joint", "--budget", "7", "--batches", "2")
    folder, out = study("headline", *options)
    page = check_outputs(folder)
    assert "more cells follow" in out, "the choice on the target follows from trials"
    table = frame(folder).set_index("part")
    points = table["points"]
    whole = points[["statistics", "undone scaling", "branch", "loss, published", "interaction"]].sum()
    assert whole == pytest.approx(points["as released"])
    assert points["loss, tuned"] == pytest.approx(points["loss, published"] + points["tuned"])
    assert points["oracle†"] >= 0, "the oracle takes the best that was tried, the tuned one among it"
    known = table.loc[["statistics", "loss, published", "as released"]]
    assert (known["low"] <= known["points"] + 1e-9).all()
    assert (known["points"] <= known["high"] + 1e-9).all()
    for said in ("without any loss, statistics", "the published rate", "of nothing else", "With one seed"):
        assert said in page
    cells = {path.name: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    _, out = study("headline", *options)
    assert "0 pieces of work done" in out
    assert cells == {path.name: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}


def test_gradients_of_two_tasks_and_of_one_network_or_two(study):
    folder, _ = study("gradients", "--methods", "tent,cta", "--train-samples", "16")
    page = check_outputs(folder, paper="CTA paper")
    assert not (folder / "cells").exists()
    found = {each["cell"]["method"]: each for each in raw(folder)}
    assert [found["tent"]["apart"], found["cta"]["apart"]] == [False, True]
    for each in found.values():
        assert np.array(each["grams"]).shape == (1, 2, 3, 3)
        assert (np.diagonal(each["grams"], axis1=2, axis2=3) > 0).all()
    table = frame(folder)
    assert set(table["gradient"] + " " + table["other"]) == {"method semseg", "method depth", "semseg depth"}
    assert table["cosine"].between(-1.000001, 1.000001).all()
    assert "supervised gradients of two tasks" in page


def test_gradients_on_images(study):
    folder, _ = study("gradients", "--methods", "tent", "--track", "class", "--pairs", "objects/studio->objects/fog",
                      small=CLASS)  # fmt: skip
    page = check_outputs(folder, paper="CTA paper")
    assert "supervised gradients of two tasks" not in page, "there is one task"
    assert set(frame(folder)["other"]) == {"class"}


def test_alignment_looks_at_the_encoder_that_the_stage_began_with(study):
    folder, _ = study("alignment", "--pairs", "objects/studio->objects/fog", small=CLASS)
    page = check_outputs(folder, paper="CTA paper")
    [found] = raw(folder)
    assert found["split"] == "val"
    similarity = found["similarity"]
    assert len(similarity["before"]["cka"]) == 4
    assert similarity["before"]["cka"] != similarity["after"]["cka"]
    assert set(found["probes"]["class"]) == set(found["scores"]) == {"supervised", "before", "after"}
    table = frame(folder).set_index(["encoder", "measure"])["value"]
    assert table["after", "probe/class"] == found["probes"]["class"]["after"]
    assert "points behind the supervised one" in page
    _, out = study("alignment", "--pairs", "objects/studio->objects/fog", "--methods", "tent", small=CLASS, expect=2)
    assert "no stage that aligns two encoders" in out


def test_severity(study):
    pairs = "objects/studio->objects/studio+fog:1,objects/studio->objects/studio+fog:5"
    folder, _ = study("severity", "--methods", "tent", "--pairs", pairs, small=CLASS)
    page = check_outputs(folder, paper="CTA paper")
    assert "severity 5" in page
    assert "mean over 1 kind (fog)" in page
    _, out = study("severity", "--pairs", "objects/studio->objects/studio+fog:5", small=CLASS, expect=2)
    assert "have none" in out
    _, out = study("severity", "--pairs", pairs.replace("objects", "rooms"), small=CLASS, expect=2)
    assert "other tasks" in out


def test_cost_knows_every_stage(study, monkeypatch):
    from ttt_bench.bench import stages as measured

    alone = measured._peak
    # Each starts a process of its own, which takes seconds: one stage of one method shall do.
    real = {("align", "cta"), ("idle", "cta")}
    monkeypatch.setattr(
        measured,
        "_peak",
        lambda stage, cell, context: alone(stage, cell, context) if (stage, cell.method) in real else 1,
    )
    folder, _ = study("cost", "--methods", "cta", "--pairs", "objects/studio->objects/fog", small=CLASS)
    page = check_outputs(folder, paper="CTA paper")
    found = {each["cell"]["method"]: each for each in raw(folder)}
    assert set(found) == {"base", "bn", "cta"}
    assert set(found["cta"]["stages"]) == {"source training", "contrast", "align", "update", "prediction"}
    assert set(found["base"]["stages"]) == {"source training", "prediction"}
    stages = found["cta"]["stages"]
    times = {"source training": 4, "contrast": 4, "align": 4, "update": 1, "prediction": 1}
    assert {name: stage["times"] for name, stage in stages.items()} == times
    for each in found.values():
        assert all(stage["seconds"] > 0 for stage in each["stages"].values())
    assert stages["align"]["memory"] > found["cta"]["idle"] > 2**20
    assert "peak memory over an idle process" in page


def test_strong_baseline_is_on_two_networks(study):
    folder, _ = study("strong-baseline", "--methods", "nctt")
    page = check_outputs(folder)
    table = frame(folder).set_index("label")
    assert list(table.index) == [f"{m}, {n}" for n in ("plain", "MTI-Net") for m in ("base", "bn", "nctt")]
    assert table.loc["base, MTI-Net", "cost/parameters_mean"] > table.loc["base, plain", "cost/parameters_mean"]
    assert table.loc["nctt, plain", "last/delta_mean"] == pytest.approx(
        table.loc["nctt, plain", "last/delta_plain_mean"]
    )
    assert table.loc["base, MTI-Net", "last/delta_mean"] == 0
    assert table.loc["base, MTI-Net", "last/delta_plain_mean"] != 0
    assert "Δ, plain base" in page
