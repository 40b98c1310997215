"""Figures: what they carry, how methods are told apart, and that odd data does not break them."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from synthetic import METHODS, pictures, plausible, save, trajectory

from ttt_bench.report import build_report
from ttt_bench.report.figures.canvas import own_look, robust_limits
from ttt_bench.report.figures.compute import draw_compute
from ttt_bench.report.figures.curves import STEP_MEANS, draw_stream, draw_trajectories
from ttt_bench.report.figures.scatter import draw_cost, draw_sync
from ttt_bench.report.figures.sheet import draw_sheet
from ttt_bench.report.paper import paper_order
from ttt_bench.report.style import WIDTH, method_styles


def test_figures_carry_their_cells_and_command(drawn):
    keys = {s.run.cell_id for g in drawn.groups for r in g.rows for s in r.runs}
    figures = [p for p in drawn.paths if p.suffix == ".png"]
    assert figures
    for path in figures:
        with Image.open(path) as image:
            told = image.info
            image.verify()
        shown = set(told["Description"].split(" "))
        assert shown
        assert shown <= keys
        assert told["Comment"] == "python -m ttt_bench report here"
    sync = next(p for p in figures if p.name.startswith("sync"))
    with Image.open(sync) as image:
        assert set(image.info["Description"].split(" ")) == keys


def test_pdfs_are_pdfs_with_metadata(drawn):
    for path in (p for p in drawn.paths if p.suffix == ".pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF")
        assert b"/Keywords" in content
        assert b"/CreationDate" not in content


def test_figures_are_not_blank_and_of_paper_width(drawn):
    for path in (p for p in drawn.paths if p.suffix == ".png"):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels.std() > 5, path.name
        assert pixels.shape[1] <= WIDTH * 220 + 1
        assert (pixels[:, :2] > 250).mean() > 0.8, f"{path.name} is cut on the left"
        assert (pixels[:, -2:] > 250).mean() > 0.8, f"{path.name} is cut on the right"


def test_methods_are_told_apart_without_colour():
    labels = [*METHODS, "mine", "yours", "cta"]
    styles = method_styles(labels, paper_order())
    assert len({(s.colour, str(s.line)) for s in styles.values()}) == len(labels)
    assert len({s.marker for s in styles.values()}) == len(labels)


def test_a_method_looks_the_same_whoever_else_is_there():
    alone, together = method_styles(["s4t"], paper_order()), method_styles(list(METHODS), paper_order())
    assert alone["s4t"] == together["s4t"]


@pytest.mark.parametrize("protocol", ["online", "episodic", "single"])
def test_the_axis_says_what_a_step_is(tmp_path, protocol):
    cells = [plausible(m, 0, "a->b", steps=4, batches=3, protocol=protocol) for m in ("base", "tent")]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    styles = method_styles([r.label for r in group.rows], paper_order())
    sketch = draw_trajectories(group, styles)
    assert any(STEP_MEANS[protocol] in text.get_text() for text in sketch.figure.texts)
    assert (draw_stream(group, styles) is None) == (protocol != "online")
    assert len(sketch.figure.axes) == 5


def test_base_is_a_horizontal_line_and_bands_cover_the_seeds(tmp_path):
    cells = [trajectory("base", {"semseg": [0.4] * 3}, seed=s) for s in (0, 1)]
    cells += [trajectory("tent", {"semseg": [0.4, 0.5, t]}, seed=s) for s, t in enumerate((0.6, 0.8))]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    panel = draw_trajectories(group, method_styles(["base", "tent"], paper_order())).figure.axes[0]
    base, tent = panel.lines
    np.testing.assert_allclose(base.get_ydata(), 40.0)
    np.testing.assert_allclose(tent.get_ydata(), [40, 50, 70])
    (band,) = panel.collections
    ends = band.get_paths()[0].vertices
    assert {round(y) for x, y in ends if x == 2} == {60, 80}


def test_odd_data_does_not_break_a_figure(tmp_path):
    """No base, everything collapsed, one step, one batch, NaN, a far outlier: each draws or is left out."""
    cells = [
        trajectory("tent", {"semseg": [0.4, 0.5]}, pair="nobase->b"),
        trajectory("base", {"semseg": [0.4, 0.4]}, pair="gone->b"),
        trajectory("tent", {"semseg": [0.4, np.nan]}, pair="gone->b", collapsed=1),
        trajectory("base", {"semseg": [0.4]}, pair="one->b", batches=1),
        trajectory("tent", {"semseg": [0.4]}, pair="one->b", batches=1),
        *(trajectory("base", {"depth": [1.0] * 3}, pair="far->b", seed=s) for s in (0, 1)),
        *(trajectory(f"m{i}", {"depth": [1.0, 0.9, 0.9 - i / 100]}, pair="far->b") for i in range(6)),
        trajectory("tent", {"depth": [1.0, 50.0, 900.0]}, pair="far->b"),
        trajectory("tipi", {"depth": [1.0, np.nan, np.nan]}, pair="far->b"),
    ]
    groups = build_report(save(tmp_path, *cells), figures=False).groups
    assert len(groups) == 4
    styles = method_styles([r.label for g in groups for r in g.rows], paper_order())
    drawn = [draw(g, styles) for g in groups for draw in (draw_trajectories, draw_stream)]
    drawn += [draw_sync(groups, styles), draw_cost(groups, styles), *(draw_sheet(g) for g in groups)]
    assert [sketch is None for sketch in drawn[-4:]] == [True] * 4  # nothing kept pictures
    for sketch in drawn:
        if sketch is not None:
            sketch.figure.savefig(BytesIO(), format="png", dpi=40)
    # No stream without a base, and one task alone has nothing to be in step with.
    assert sum(sketch is not None for sketch in drawn) == 8


def test_a_point_far_off_is_named_at_the_edge(tmp_path):
    cells = [trajectory("base", {"semseg": [0.01] * 2})]
    cells += [trajectory(f"m{i}", {"semseg": [0.01, 0.011 + i / 1e4]}) for i in range(8)]
    cells.append(trajectory("tent", {"semseg": [0.01, 0.90]}))
    groups = build_report(save(tmp_path, *cells), figures=False).groups
    sketch = draw_cost(groups, method_styles([r.label for r in groups[0].rows], paper_order()))
    names = [text.get_text() for text in sketch.figure.axes[0].texts]
    assert "tent (+8900 %) ↑" in names
    assert "m3" in names


def test_the_same_cells_give_the_same_picture(tmp_path):
    cells = [trajectory("base", {"depth": [1.0] * 2}), trajectory("tent", {"depth": [1.0, 0.5]})]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    styles = method_styles(["base", "tent"], paper_order())
    once, twice = (draw_cost([group], styles).save(tmp_path / name, "x") for name in "ab")
    for a, b in zip(once, twice, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_an_outlier_does_not_flatten_the_others():
    curves = [np.array([0.0, float(i)]) for i in range(1, 9)] + [np.array([0.0, -5000.0])]
    low, high = robust_limits(curves)
    assert high >= 8
    assert -100 < low < 0
    assert robust_limits([np.array([np.nan])]) is None
    low, high = robust_limits([np.array([3.0, 3.0])])
    assert low < 3 < high


def test_the_sheet_shows_each_method_once(tmp_path):
    rng = np.random.default_rng(0)
    cells = [
        plausible(m, s, "a->b", steps=3, examples=pictures(rng, m, size=12)) for m in ("base", "tent") for s in (0, 1)
    ]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    sketch = draw_sheet(group)
    assert len(sketch.cells) == 2
    titles = [axes.get_title() for axes in sketch.figure.axes if axes.get_title()]
    assert titles[:4] == ["truth", "source (base)", "tent", "image"]


def test_the_legend_of_many_classes_leaves_the_pictures_free(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"a class of number {i}" for i in range(39)]
    cell = plausible("base", 0, "a->b", steps=3, examples=pictures(rng, "base", size=24, classes=39))
    group = build_report(save(tmp_path, replace(cell, cell={**cell.cell, "classes": names})), figures=False).groups[0]
    figure = draw_sheet(group).figure
    [legend] = figure.legends
    assert len(legend.get_texts()) == 39, "random pictures show every class"
    figure.canvas.draw()
    box = legend.get_window_extent()
    assert all(not axes.title.get_window_extent().overlaps(box) for axes in figure.axes if axes.get_title())
    assert all(not axes.get_window_extent().overlaps(box) for axes in figure.axes if axes.get_visible())


def test_figures_for_a_paper_are_vector_of_column_width_and_8_points(tmp_path):
    from synthetic import plausible, save

    from ttt_bench.report.build import score_folder
    from ttt_bench.report.figures import draw_for_paper
    from ttt_bench.report.figures.paper import WIDTHS, paper_figures
    from ttt_bench.report.style import method_styles

    cells = [plausible(m, seed, "a->b", steps=5, batches=4) for m in ("base", "bn", "tent") for seed in (0, 1)]
    groups = score_folder(save(tmp_path, *cells)).groups
    paths = draw_for_paper(groups, tmp_path / "figures", "command")
    names = sorted(path.name.split("_")[0] + "_" + path.name.split("_")[1] for path in paths)
    assert names == [
        "paper-double_difference-to-bn", "paper-double_trajectories", "paper-single_difference-to-bn", "paper-single_trajectories",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths)
    for name, draw in paper_figures(groups, method_styles(["base", "bn", "tent"], ())):
        figure = draw()
        assert figure.get_size_inches()[0] == WIDTHS[name.split("_")[0].removeprefix("paper-")][0]
        assert figure._suptitle is None


def test_a_difference_to_bn_needs_a_bn(tmp_path):
    from synthetic import plausible, save

    from ttt_bench.report.build import score_folder
    from ttt_bench.report.figures.differences import compared, difference_panels

    cells = [plausible(m, 0, "a->b", steps=5, batches=4) for m in ("base", "bn", "tent")]
    [group] = score_folder(save(tmp_path / "with", *cells)).groups
    assert [row.method for row in compared(group).rows] == ["tent"]
    _, curve, _ = difference_panels(group)[-1]
    [tent] = group.rows[-1].runs
    [bn] = group.rows[1].runs
    assert (curve(tent)[1] == tent.delta - bn.delta).all()
    [alone] = score_folder(save(tmp_path / "without", cells[0], cells[2])).groups
    assert compared(alone) is None


@pytest.mark.parametrize(("budget", "over_bn"), [(None, [0, 10, 20]), (3.0, [0, 10])])
def test_what_is_gained_for_its_cost_is_gained_over_bn_at_the_same_step(tmp_path, budget, over_bn):
    depths = {"base": [1.0, 1.0, 1.0], "bn": [1.0, 0.9, 0.8], "tent": [1.0, 0.8, 0.6]}
    save(tmp_path, *(trajectory(method, {"depth": values}) for method, values in depths.items()))
    group = build_report(tmp_path, tmp_path / "out", figures=False, budget=budget).groups[0]
    sketch = draw_compute([group], method_styles([row.label for row in group.rows], paper_order()))
    [*_, drawn] = sketch.figure.axes[0].lines
    assert drawn.get_ydata() == pytest.approx(over_bn)


def test_figures_look_alike_whatever_a_user_has_set():
    import matplotlib

    with matplotlib.rc_context({"font.size": 30.0, "lines.marker": "x"}):
        with own_look({"axes.labelsize": 5.0}):
            assert matplotlib.rcParams["font.size"] == 7.0
            assert matplotlib.rcParams["lines.marker"] == matplotlib.rcParamsDefault["lines.marker"]
            assert matplotlib.rcParams["axes.labelsize"] == 5.0
        assert matplotlib.rcParams["font.size"] == 30.0
