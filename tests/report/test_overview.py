"""Reports of many pairs and methods: split into figures that can be read, led by one view of all."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from synthetic import save, trajectory

from ttt_bench.report import build_report
from ttt_bench.report.figures.curves import draw_trajectories
from ttt_bench.report.figures.portions import MOST_PAIRS, MOST_ROWS, evenly, portions
from ttt_bench.report.overview import gain_matrix, overview_table
from ttt_bench.report.style import RC, method_styles


def groups_of(folder, pairs, methods):
    cells = [
        trajectory(name, {"semseg": [0.4, 0.4]}, pair=f"a->b{p:02d}") for p in range(pairs) for name in ("base", "bn")
    ]
    cells += [
        trajectory(f"m{m:02d}", {"semseg": [0.4, 0.4 + 0.004 * m - 0.01 * p]}, pair=f"a->b{p:02d}")
        for p in range(pairs)
        for m in range(methods)
    ]
    return list(build_report(save(folder, *cells), figures=False).groups)


@pytest.mark.parametrize(("pairs", "methods", "figures"), [(12, 2, 1), (13, 2, 2), (1, 22, 1), (1, 23, 2), (13, 45, 6)])
def test_no_figure_shows_more_than_can_be_read_and_all_is_shown(tmp_path, pairs, methods, figures):
    groups = groups_of(tmp_path, pairs, methods)
    parts = portions(groups)
    assert len(parts) == figures
    for part in parts:
        assert len(part) <= MOST_PAIRS
        labels = {row.label for group in part for row in group.rows}
        assert len(labels) <= MOST_ROWS
        assert {"base", "bn"} <= labels
    shown = {(group.pair, row.label) for part in parts for group in part for row in group.rows}
    assert shown == {(group.pair, row.label) for group in groups for row in group.rows}


def test_parts_are_about_equal():
    assert [len(part) for part in evenly(list(range(25)), 12)] == [8, 9, 8]
    assert evenly([], 3) == [[]]


def test_the_overview_table_by_hand(tmp_path):
    cells = [trajectory("base", {"semseg": [0.4, 0.4]}, pair=f"a->{p}") for p in "xyz"]
    for pair, good, other in (("x", 0.5, 0.44), ("y", 0.3, 0.44), ("z", 0.48, 0.44)):
        cells.append(trajectory("good", {"semseg": [0.4, good]}, pair=f"a->{pair}"))
        cells.append(
            trajectory("other", {"semseg": [0.4, other]}, pair=f"a->{pair}", collapsed=1 if pair == "z" else None)
        )
    groups = build_report(save(tmp_path, *cells), figures=False).groups
    labels, matrix, gone = gain_matrix(groups)
    assert labels == ["good", "other"]
    np.testing.assert_allclose(matrix, [[25, -25, 20], [10, 10, np.nan]])
    assert gone.tolist() == [[False] * 3, [False, False, True]]
    rows = [[entry.text for entry in row] for row in overview_table(groups).rows]
    assert rows == [
        ["good", "3", "+6.67", "+20.00", "-25.00", "a → y", "+25.00", "a → x", "2", "0"],
        ["other", "2", "+10.00", "+10.00", "+10.00", "a → x", "+10.00", "a → x", "1", "1"],
    ]
    assert overview_table(groups[:1]) is None


def test_the_page_begins_with_the_overview(tmp_path):
    groups_of(tmp_path, 2, 2)
    made = build_report(tmp_path, command="x")
    page = (tmp_path / "report.md").read_text()
    picture = next(path for path in made.paths if path.name.startswith("overview") and path.suffix == ".png")
    assert (
        page.index("Over all pairs")
        < page.index(picture.name)
        < page.index("a-\\>b00" if "a-\\>b00" in page else "a->b00")
    )


def test_the_legend_of_long_names_stays_in_the_figure(tmp_path):
    names = ["base", *(f"method{m}" for m in range(8))]
    cells = [
        trajectory(name, {"semseg": [0.4, 0.5]}, options=None if name == "base" else {"learning_rate": value})
        for name in names
        for value in (0.00125, 0.00025)[: 1 if name == "base" else 2]
    ]
    [group] = build_report(save(tmp_path, *cells), figures=False).groups
    with matplotlib.rc_context(RC):
        figure = draw_trajectories(group, method_styles([row.label for row in group.rows], [])).figure
        figure.canvas.draw()
        assert figure.legends[0].get_window_extent().width <= figure.bbox.width
