"""What the page has of many tables, of streams and of equal compute, without a browser."""

import sys
from itertools import groupby
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # test folders are no packages

import synthetic

from ttt_bench.report import build_report
from ttt_bench.report.build import score_folder
from ttt_bench.report.page.describe import describe
from ttt_bench.report.page.downloads import tables_of
from ttt_bench.report.relations import rank_table


def pipes(text):
    """Every table in a Markdown text."""
    return ["\n".join(lines) for table, lines in groupby(text.splitlines(), lambda line: line[:1] == "|") if table]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A report with kinds, ranks, segments and two protocols."""
    folder = tmp_path_factory.mktemp("reported")
    rooms = [
        synthetic.plausible(
            method, seed, "rooms/studio->rooms/fog", steps=5, batches=4, protocol=protocol, recipe="paper"
        )
        for protocol in ("online", "episodic")
        for method in ("base", "bn", "tent", "ttt", "tipi", "s4t")
        for seed in range(2)
    ]
    synthetic.save(folder, *synthetic.over_kinds(), *synthetic.drifting(), *rooms)
    return build_report(folder, figures=False)


def test_every_table_of_the_markdown_report_stands_on_the_page(reported):
    told = pipes((reported.folder / "report.md").read_text(encoding="utf-8"))
    on_page = {table for each in tables_of(reported, describe(reported, "").sections) for table in pipes(each["md"])}
    assert len(told) > 12
    assert [table for table in told if table not in on_page] == []


def test_sections_stand_beside_the_views_of_their_settings(reported):
    page = describe(reported, "")
    found = {section.id: section for section in page.sections}
    assert {"overview", "ranks", "kinds", "sync"} <= {id.split("-")[0] for id in found}
    assert {section.block for section in page.sections} <= {"", *(view.block for view in page.views)}
    assert len(found) == len(page.sections)
    kinds = next(section for section in page.sections if section.part == "Kinds")
    assert kinds.block == next(view.block for view in page.views if view.facets[0].startswith("cifar10"))
    assert "bold" in kinds.marks[2]
    assert all(len(row) == len(marks) for row, marks in zip(kinds.rows, kinds.marks, strict=True))


def test_the_diagram_has_the_ranks_of_the_table(reported):
    page = describe(reported, "")
    [section] = [section for section in page.sections if section.ranks]
    table = rank_table([group for group in reported.groups if group.pair.startswith("cifar10")])
    assert section.ranks.labels == tuple(row[0].text for row in table.rows) == ("tent", "bn", "odd")
    assert section.ranks.mean == (1.0, 2.0, 3.0)
    assert f"{section.ranks.critical:.2f}" in " ".join(table.notes)
    looks = {row.label: row.look for view in page.views for row in view.rows}
    assert section.ranks.looks == tuple(looks[label] for label in section.ranks.labels)


def test_severities_by_hand(tmp_path):
    synthetic.save(tmp_path, *synthetic.over_kinds(("fog", "snow"), severities=(5, 1)))
    page = describe(score_folder(tmp_path), "")
    [section] = [section for section in page.sections if section.severities]
    drawn = section.severities
    assert (drawn.labels, drawn.severities, drawn.axis) == (("base", "bn", "tent", "odd"), (1, 5), "accuracy (%) ↑")
    # Snow is three points harder than fog, severity 5 twenty harder than 1; a seed of snow gains a tenth more.
    expected = {"base": (88.5, 68.5), "bn": (90.55, 70.55), "tent": (93.625, 73.625), "odd": (85.425, 65.425)}
    for label, levels in zip(drawn.labels, drawn.levels, strict=True):
        assert levels == pytest.approx(expected[label], abs=0.06)  # of whole images
    looks = {row.label: row.look for view in page.views for row in view.rows}
    assert drawn.looks == tuple(looks[label] for label in drawn.labels)
    assert section.block in {view.block for view in page.views}
    assert section.part == "Severities"


def test_severities_stand_in_the_markdown_report_too(tmp_path):
    synthetic.save(tmp_path, *synthetic.over_kinds(("fog", "snow"), severities=(5, 1)))
    report = build_report(tmp_path, figures=False)
    [told] = [table for table in pipes((tmp_path / "report.md").read_text(encoding="utf-8")) if "severity 1" in table]
    assert "over bn at 1 / 5" in told
    assert told in [pipes(each["md"])[0] for each in tables_of(report, describe(report, "").sections)]


def test_segments_and_forgetting_by_hand(reported):
    page = describe(reported, "")
    [view] = [view for view in page.views if view.segments]
    assert view.segments == ("1 rooms/fog", "2 rooms/dusk")
    tent = next(row for row in view.rows if row.label == "tent")
    assert tent.drift.delta == (20.0, 20.0)
    assert tent.drift.over_bn == (10.0, 10.0)
    assert tent.drift.forgetting == 50.0
    assert all(row.drift is None for other in page.views if other is not view for row in other.rows)


def test_equal_compute_reads_what_a_report_within_the_budget_says(tmp_path):
    cells = [
        synthetic.plausible(m, s, "a->b", steps=6, batches=4) for m in ("base", "bn", "tent", "s4t") for s in range(2)
    ]
    synthetic.save(tmp_path, *cells)
    [view] = describe(score_folder(tmp_path), "").views
    budgets = sorted({spent for course in view.work for spent in course})
    assert budgets[0] == 0.0
    assert len(view.work) == 3  # base, bn, and the two that cost the same
    for budget in budgets:
        rows = {row.label: row for row in score_folder(tmp_path, budget=budget).groups[0].rows}
        for row in view.rows:
            place = max(i for i, spent in enumerate(view.work[row.work]) if spent <= budget + 1e-9)
            assert row.curves[-1].mean[place] == pytest.approx(rows[row.label].mean("last/delta"), abs=1e-3)
            if row.method != "base":
                assert view.steps[place] == rows[row.label].mean("last/step")
