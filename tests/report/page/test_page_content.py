"""What the page says, without a browser."""

import dataclasses
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # test folders are no packages

import synthetic

from ttt_bench.report.build import score_folder
from ttt_bench.report.commands import asked_commands
from ttt_bench.report.page.describe import describe
from ttt_bench.report.page.downloads import tables_of
from ttt_bench.report.page.write import as_json, render
from ttt_bench.store.folder import SweepFolder


def swept(folder, *cells):
    synthetic.save(folder, *cells)
    return score_folder(folder)


@pytest.fixture
def report(tmp_path):
    values = {
        "base": {"semseg": [0.3] * 5, "depth": [1.0] * 5},
        "bn": {"semseg": [0.4] * 5, "depth": [0.9] * 5},
        "tent": {"semseg": [0.4, 0.5, 0.45, 0.44, 0.43], "depth": [0.9, 0.88, 0.86, 0.84, 0.85]},
    }
    made = [synthetic.trajectory(m, v, seed=seed) for m, v in values.items() for seed in (0, 1)]
    return swept(tmp_path, *made)


def row_of(page, label):
    return next(row for row in page.views[0].rows if row.label == label)


def test_each_task_has_its_own_best_step(report):
    page = describe(report, "")
    assert row_of(page, "tent").best_steps == (1.0, 3.0)  # mIoU up, RMSE down


def test_a_row_is_read_at_each_selection(report):
    page = describe(report, "")
    tent = row_of(page, "tent")
    last, best = tent.readings[0], tent.readings[-1]
    assert [s.id for s in page.selections] == ["last", "fixed", "label_free", "best"]
    assert last.step == 4
    assert last.values == (43.0, 0.85)
    assert best.step == 1
    assert best.values[0] == 50.0
    assert tent.curves[0].mean == (40.0, 50.0, 45.0, 44.0, 43.0)


def test_the_difference_to_bn_is_taken_seed_by_seed(tmp_path):
    made = []
    for seed, level in ((0, 0.3), (1, 0.5)):
        made.append(synthetic.trajectory("base", {"semseg": [level] * 3}, seed=seed))
        made.append(synthetic.trajectory("bn", {"semseg": [level + 0.1] * 3}, seed=seed))
        made.append(synthetic.trajectory("tent", {"semseg": [level + 0.1, level + 0.12, level + 0.14]}, seed=seed))
    [curve, _] = row_of(describe(swept(tmp_path, *made), ""), "tent").over_bn
    assert curve.mean == (0.0, 2.0, 4.0)
    assert curve.sd == (0.0, 0.0, 0.0)  # the seeds differ by 20 points, the differences not at all


def test_without_a_control_there_is_no_difference(tmp_path):
    cells = [synthetic.trajectory(m, {"semseg": [0.3, 0.4]}) for m in ("base", "tent")]
    assert row_of(describe(swept(tmp_path, *cells), ""), "tent").over_bn == ()


def test_a_collapse_is_told_with_its_reason(tmp_path):
    cells = [synthetic.trajectory("base", {"semseg": [0.3] * 3}), synthetic.trajectory("tent", {"semseg": [0.3] * 3})]
    cells[1].summary.update(collapsed_step=2, collapse_reason="the loss was not finite")
    view = describe(swept(tmp_path, *cells), "").views[0]
    assert [(loss.what, loss.kind, loss.reason) for loss in view.losses] == [
        ("tent, seed 0", "collapsed at step 2", "the loss was not finite")
    ]
    assert view.rows[-1].readings == (None,) * 4


def test_failed_work_is_listed(tmp_path):
    SweepFolder(tmp_path).fail("abc", "s4t on fog", "Traceback\nValueError: no <b>memory</b>")
    report = swept(tmp_path, synthetic.trajectory("base", {"semseg": [0.3, 0.3]}))
    [loss] = describe(report, "").failures
    assert loss.what == "s4t on fog"
    assert "ValueError" in loss.reason


def test_a_row_command_is_its_sweeps_narrowed_to_the_row(tmp_path):
    made = [synthetic.trajectory(m, {"semseg": [0.3, 0.4]}, seed=s) for m in ("base", "tent") for s in (0, 1)]
    command = "python -m ttt_bench sweep --methods all --pairs 'a->b,c->d' --seeds=3 --steps 1 --name mine"
    cells = [{"id": f"cell{number}", "label": "x"} for number in range(len(made))]
    for each, cell in zip(made, cells, strict=True):
        object.__setattr__(each, "cell_id", cell["id"])
    SweepFolder(tmp_path).remember("s1", {"command": command, "metrics": [], "accidents": {}, "cells": cells})
    report = swept(tmp_path, *made)
    assert set(asked_commands(tmp_path).values()) == {command}
    said = shlex.split(row_of(describe(report, ""), "tent").command)
    options = dict(zip(said[4::2], said[5::2], strict=True))
    assert said[:4] == ["python", "-m", "ttt_bench", "sweep"]
    assert options["--methods"] == "tent"
    assert options["--pairs"] == "rooms/studio->rooms/fog"
    assert options["--seeds"] == "2"
    assert options["--steps"] == "1"
    assert "--name" not in options


def test_options_off_their_default_stand_in_the_command(tmp_path):
    made = synthetic.trajectory("s4t", {"semseg": [0.3, 0.4]}, options={"mask_ratio": 0.5}, seed=4)
    said = shlex.split(row_of(describe(swept(tmp_path, made), ""), "s4t").command)
    assert "s4t(mask_ratio=0.5)" in said
    assert said[said.index("--seeds") + 1] == "4,"


def test_the_command_of_a_tuned_row_asks_for_the_recipe_not_for_what_it_chose(tmp_path):
    options = {"lr": 0.01, "mask_ratio": 0.5}
    tried = {"half": 2, "options": [], "score": 1.0, "collapsed": False}
    choice = {
        "strategy": "source-shift", "settings": {"lr": 0.01}, "multiple": 10.0, "at_edge": False, "tried": [tried],
    }  # fmt: skip
    made = synthetic.trajectory(
        "s4t", {"semseg": [0.3, 0.4]}, options=options, recipe="tuned", extra={"choice": choice, "stream": "correlated"}
    )
    said = shlex.split(row_of(describe(swept(tmp_path, made), ""), "s4t").command)
    given = dict(zip(said[4::2], said[5::2], strict=True))
    assert given["--methods"] == "s4t(mask_ratio=0.5)"
    assert given["--recipes"] == "tuned"
    assert given["--stream"] == "correlated"


def test_no_text_ends_the_script_that_holds_it():
    hostile = "</script><script>alert(1)</script><!--\u2028&"
    written = as_json({"a": hostile})
    assert "<" not in written
    assert "\u2028" not in written
    assert json.loads(written) == {"a": hostile}


def test_numbers_that_are_none_are_null(tmp_path):
    made = [synthetic.trajectory("tent", {"semseg": [0.3, 0.4]})]  # no base: no Delta
    page = describe(swept(tmp_path, *made), "")
    assert page.views[0].rows[0].curves[1].mean == (None, None)
    assert "NaN" not in as_json(page)


def test_every_table_can_be_taken_in_three_forms(report):
    tables = tables_of(report, ())
    assert len(tables) == sum(len(of) for of in report.tables.values())
    main = tables[0]
    assert main["csv"].splitlines()[0].startswith("method,n,collapsed,mIoU")
    assert main["md"].startswith("## Tasks at the last step")
    assert r"\toprule" in main["tex"]
    assert len({table["name"] for table in tables}) == len(tables)


def test_the_page_is_one_file_that_names_no_address(report):
    text = render(describe(report, "python -m ttt_bench report"), tables_of(report, ()))
    shell = text[: text.index('id="data"')]
    assert "default-src 'none'" in shell
    assert "http" not in shell.replace("http-equiv", "")
    assert len(text.encode()) < 3e6


def test_a_page_describes_every_field(report):
    page = describe(report, "")
    content = json.loads(as_json(page))
    assert set(content) == {field.name for field in dataclasses.fields(page)}
    assert np.allclose(content["views"][0]["steps"], range(5))


def test_strategies_and_their_regret_stand_on_the_page(tmp_path):
    made = [synthetic.trajectory(m, {"semseg": [0.3, 0.4]}) for m in ("base", "tent")]
    (tmp_path / "selection").mkdir()
    path = tmp_path / "selection" / "choices.parquet"
    chosen = {
        "pair": "a->b",
        "method": "tent",
        "settings": "lr=0.1",
        "delta_bn_low": 0.5,
        "delta_bn_high": 1.5,
        "collapsed": False,
    }
    rows = [
        {**chosen, "strategy": strategy, "seed": seed, "delta_bn": gain, "regret": regret}
        for strategy, gain, regret in (("oracle", 2.0, 0.0), ("published", 1.0, 1.0))
        for seed in (0, 1)
    ]
    pd.DataFrame(rows).to_parquet(path)
    [section] = describe(swept(tmp_path, *made), "").sections
    assert section.rows[1] == ("published", "tent", "a->b", "lr=0.1", "+1.00", "[+0.50, +1.50]", "1.00", "0/2")
    assert "oracle 0.00, published 1.00" in section.said
    path.write_bytes(b"no parquet")
    [section] = describe(score_folder(tmp_path), "").sections
    assert "cannot be read" in section.said
