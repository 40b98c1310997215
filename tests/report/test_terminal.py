"""The report on a terminal: it fits, it says which RMSE is which, and it ends with what a newcomer needs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from synthetic import save, trajectory

from ttt_bench.report import score_folder, terminal_table
from ttt_bench.report.ending import ending
from ttt_bench.report.entries import Entry, TextTable
from ttt_bench.report.terminal import plain_table
from ttt_bench.store.folder import SweepFolder


def printed(report, width):
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(terminal_table(report, width))
    return console.export_text()


def test_a_wide_terminal_gets_every_column(drawn):
    text = printed(drawn, 120)
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    for word in (
        "taskonomy->nyudv2",
        "rooms/fog:3",
        "semseg↑",
        "depth↓",
        "Δ last",
        "Δ−bn",
        "SV",
        "DTW",
        "CS",
        "tent",
        "1/2",
    ):
        assert word in text, word


def test_the_table_fits_80_columns_with_variants(tmp_path):
    tasks = {"semseg": [0.3, 0.41], "depth": [1.0, 0.9], "normal": [60.0, 50.0], "edge": [0.14, 0.13]}
    cells = []
    for seed in (0, 1):
        cells.append(trajectory("base", {k: [v[0]] * 2 for k, v in tasks.items()}, seed=seed))
        for value in ("a_long_value_of_an_option", "another_long_value"):
            cells.append(
                trajectory("s4t", tasks, seed=seed, options={"invariance": value, "mask_ratio": 0.5, "lr": len(value)})
            )
    text = printed(score_folder(save(tmp_path, *cells)), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text.replace("s4t(…)", "")
    for kept in ("a_long_value_of_an_option", "Δ last", "Δ−bn"):
        assert kept in text


def test_columns_that_say_the_same_are_left_out_and_named(tmp_path):
    cells = [trajectory("base", {"semseg": [0.3] * 3}), trajectory("tent", {"semseg": [0.3, 0.31, 0.32]})]
    text = printed(score_folder(save(tmp_path / "a", *cells)), 120)
    head = next(line for line in text.splitlines() if line.startswith("method"))
    assert "Δ @2" not in head
    assert "Δ best†" not in head
    assert "Δ last" in head
    assert "Δ @2: the same as Δ last" in text
    cells = [trajectory("base", {"semseg": [0.3] * 3}), trajectory("tent", {"semseg": [0.3, 0.33, 0.32]})]
    text = printed(score_folder(save(tmp_path / "b", *cells)), 120)
    assert "Δ best†" in next(line for line in text.splitlines() if line.startswith("method"))


def test_one_rmse_is_not_taken_for_the_other(tmp_path):
    cell = trajectory("base", {"depth": [1.0, 1.0], "edge": [0.1, 0.1]})
    cell.summary["source_scores"] = {"depth/rmse": 0.4, "edge/rmse": 0.4873}
    report = score_folder(save(tmp_path, cell))
    text = printed(report, 80)
    assert "Depth RMSE 0.400 m, Edges RMSE 0.4873" in text
    assert "depth: RMSE (m); edge: RMSE" in text


@pytest.mark.parametrize(
    ("methods", "seeds", "wanted"),
    [
        (("base", "bn"), 3, "--methods all"),
        (("base", "bn", "tent"), 1, "--seeds 3"),
        (("base", "bn", "tent"), 3, "--protocols"),
    ],
)
def test_what_to_try_next_follows_from_what_is_there(tmp_path, methods, seeds, wanted):
    values = {"base": 0.3, "bn": 0.4, "tent": 0.5}
    cells = [
        trajectory(m, {"semseg": [values[m] + 0.01 * s] * 3}, seed=s, batches=4) for m in methods for s in range(seeds)
    ]
    assert wanted in ending(score_folder(save(tmp_path, *cells))).next


def test_failures_come_before_everything(tmp_path):
    save(tmp_path, trajectory("base", {"semseg": [0.3] * 2}))
    SweepFolder(tmp_path).fail("x", "x", "ValueError: x")
    assert ending(score_folder(tmp_path)).next.startswith("python -m ttt_bench status")


def test_a_table_of_texts_shows_what_stands_out():
    table = plain_table(
        TextTable("of", ("a", "b"), ((Entry("x"), Entry("1", "bold")), (Entry("y"), Entry("2", "oracle"))))
    )
    [names, numbers] = table.columns
    assert [str(cell.style) for cell in names.cells] == ["", ""]
    assert [str(cell.style) for cell in numbers.cells] == ["bold", "bright_black italic"]
    assert numbers.justify == "right"
