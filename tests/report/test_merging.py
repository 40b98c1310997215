"""Several people's sweeps in one table, two sweeps against each other, and published numbers beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import save, trajectory
from typer.testing import CliRunner

from ttt_bench.cli.app import app
from ttt_bench.errors import UserError
from ttt_bench.report import score_folder
from ttt_bench.report.contrast import apart, contrast, contrast_sections, summary
from ttt_bench.report.merging import contributions, merge
from ttt_bench.report.published import published_section, read_published

LEVELS = {"base": 0.30, "bn": 0.35, "tent": 0.36, "s4t": 0.40}


def swept(folder, *methods, extra=None, provenance=None, shift=0.0):
    made = [
        trajectory(
            m,
            {"semseg": [LEVELS["base"], LEVELS[m] + shift * (m != "base")]},
            seed=s,
            extra=extra,
            provenance=provenance,
        )
        for m in methods
        for s in (0, 1)
    ]
    return save(folder, *made)


def test_two_stores_make_one_table_and_shared_cells_count_once(tmp_path):
    a = swept(tmp_path / "a", "base", "bn", "tent")
    b = swept(tmp_path / "b", "base", "bn", "s4t", provenance={"git_sha": "other", "device": "cuda"})
    report = merge([a, b])
    [group] = report.groups
    assert [(row.method, len(row.runs)) for row in group.rows] == [("base", 2), ("bn", 2), ("tent", 2), ("s4t", 2)]
    assert report.warnings == ()
    said = " ".join(report.tables[group.slug][0].notes)
    assert "2 versions of the code" in said
    assert "2 kinds of device" in said
    assert [row[0] for row in contributions(report).rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_fingerprint", "t1"),
        ("source_fingerprint", "s1"),
        ("classes", ["floor"]),
        ("batch_size", 4),
        ("tasks", ["depth"]),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_reason(tmp_path, field, value):
    a = swept(tmp_path / "a", "base", "tent")
    b = swept(tmp_path / "b", "base", "s4t", extra={field: value})
    with pytest.raises(UserError, match=field):
        merge([a, b])


def test_other_pairs_need_not_agree(tmp_path):
    a = swept(tmp_path / "a", "base", "tent")
    b = save(
        tmp_path / "b", trajectory("base", {"semseg": [0.3, 0.3]}, pair="x->y", extra={"target_fingerprint": "t1"})
    )
    assert len(merge([a, b]).groups) == 2


def test_the_same_cell_with_other_numbers_is_said(tmp_path):
    report = merge([swept(tmp_path / "a", "base", "tent"), swept(tmp_path / "b", "base", "tent", shift=0.01)])
    assert any("tent" in line and "other numbers" in line for line in report.warnings)
    assert not any("base on" in line for line in report.warnings)


def test_a_folder_twice_is_refused(tmp_path):
    a = swept(tmp_path / "a", "base")
    with pytest.raises(UserError, match="twice"):
        merge([a, tmp_path / "b" / ".." / "a"])


def test_published_numbers_stand_beside_ours(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "pair,method,metric,value,source\nrooms/studio->rooms/fog,tent,semseg/miou,30,Table 1\nx->y,mint,delta,2,\n"
    )
    report = score_folder(swept(tmp_path / "a", "base", "tent"))
    ours, other = published_section(report, read_published(path)).rows
    assert ours == ("tent", "rooms/studio->rooms/fog", "semseg/miou", "30.00", "36.00", "+6.00", "Table 1")
    assert other[3:6] == ("2.00", "–", "–")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pair,method\na,b\n", "metric, value"),
        ("pair,method,metric,value\na,b,delta,much\n", "line 2"),
        ("pair,method,metric,value\n", "no numbers"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path, text, said):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read_published(tmp_path / "p.csv")


def test_two_sweeps_are_compared_field_by_field(tmp_path):
    a = score_folder(swept(tmp_path / "a", "base", "tent", "bn"))
    b = score_folder(
        swept(tmp_path / "b", "base", "tent", "s4t", extra={"threads": 2}, provenance={"git_sha": "other"}, shift=0.01)
    )
    found = contrast(a, b)
    assert len(found.matches) == 4
    assert [match.same_numbers for match in found.matches if match.a.run.method == "base"] == [True, True]
    assert [match.same_numbers for match in found.matches if match.a.run.method == "tent"] == [False, False]
    fields = {field: (own, other) for field, own, other in found.matches[0].differences}
    assert fields == {"threads": ("(not there)", "2"), "made by git_sha": ("abc123", "other")}
    assert [name.split(",")[0] for name in found.only_a] == ["bn", "bn"]
    assert [name.split(",")[0] for name in found.only_b] == ["s4t", "s4t"]
    assert "threads: (not there) → 2 in 4 of 4 cells, 2 of them with other numbers" in summary(found)
    assert contrast_sections(found)[0].rows[0][0].startswith("tent")  # what differs most comes first


def test_numbers_that_no_field_explains_are_said(tmp_path):
    a = score_folder(swept(tmp_path / "a", "base", "tent"))
    b = score_folder(swept(tmp_path / "b", "base", "tent", shift=0.01))
    assert any("no field differs" in line for line in summary(contrast(a, b)))


def test_the_commands_write_a_page_and_end_with_it(tmp_path):
    for name, methods in (("a", ("base", "bn", "tent")), ("b", ("base", "bn", "s4t"))):
        swept(tmp_path / name, *methods)
    run = CliRunner().invoke
    done = run(app, ["leaderboard", str(tmp_path / "a"), str(tmp_path / "b"), "--to", str(tmp_path / "both")])
    assert done.exit_code == 0, done.output
    assert "Who brought what" in (tmp_path / "both" / "index.html").read_text()
    assert [line.split(":")[0] for line in done.output.splitlines()[-3:]] == ["verdict", "page", "next"]
    done = run(app, ["report", "--out", str(tmp_path), "--compare", "a", "b"])
    assert done.exit_code == 0, done.output
    assert "a against b" in (tmp_path / "a" / "compared-with-b.html").read_text()


def test_numbers_are_apart_beyond_what_is_allowed_and_where_one_run_lacks_them(tmp_path):
    a = swept(tmp_path / "a", "tent")
    b = swept(tmp_path / "b", "tent", shift=0.001)
    one, other = (score_folder(folder).groups[0].row("tent").runs[0].run for folder in (a, b))
    assert apart(one, one, rtol=0.0, atol=0.0) == []
    assert "semseg/miou" in apart(one, other, rtol=1e-6, atol=1e-9)
    assert apart(one, other, rtol=0.0, atol=1.0) == []
    fewer = replace(one, values={id: v for id, v in one.values.items() if id != "semseg/miou"})
    assert apart(fewer, one, rtol=0.0, atol=1.0) == apart(one, fewer, rtol=0.0, atol=1.0) == ["semseg/miou"]
