"""What is bold, what is grey, and that the markup holds."""

from __future__ import annotations

import re

import numpy as np
import pytest
from synthetic import save, trajectory

from ttt_bench.report import build_report
from ttt_bench.report.entries import Column, Entry, TextTable, number, winners
from ttt_bench.report.markup import escape_latex, latex, markdown
from ttt_bench.report.tables import main_table, paired_table, selection_tables, sync_table


def three_methods(tmp_path, spread=0.0, collapsed=None):
    """tent 20 %, tipi 19 %, ttt 5 % better than base, over two seeds; what helps tent in one of them harms tipi."""
    cells = []
    for seed in (0, 1):
        cells.append(trajectory("base", {"semseg": [0.4] * 3}, seed=seed))
        for name, gain in (("tent", 20.0), ("tipi", 19.0), ("ttt", 5.0)):
            sign = (1 if seed else -1) * (-1 if name == "tipi" else 1)
            top = 0.4 * (1 + (gain + sign * spread) / 100)
            gone = collapsed if name == "tent" and seed == 1 else None
            cells.append(trajectory(name, {"semseg": [0.4, 0.4, top]}, seed=seed, collapsed=gone))
    return build_report(save(tmp_path, *cells), figures=False).groups[0]


def emphasis(table, head):
    place = table.head.index(head)
    return {row[0].text: row[place].emphasis for row in table.rows}


def test_the_tie_group_is_bold_and_marked(tmp_path):
    apart = main_table(three_methods(tmp_path / "a", spread=0.1))
    assert emphasis(apart, "Δ last (%) ↑") == {"base": "", "tent": "bold", "tipi": "", "ttt": ""}
    tied = main_table(three_methods(tmp_path / "b", spread=1.0))  # tent leads by -1 and by 3 points
    assert emphasis(tied, "Δ last (%) ↑") == {"base": "", "tent": "bold", "tipi": "bold", "ttt": ""}
    place = tied.head.index("Δ last (%) ↑")
    assert [row[0].text for row in tied.rows if row[place].text.endswith("≈")] == ["tent", "tipi"]


def test_the_oracle_is_never_bold(tmp_path):
    group = three_methods(tmp_path)
    for table in (main_table(group), *selection_tables(group)):
        for place, head in enumerate(table.head):
            if "best" in head:
                assert {row[place].emphasis for row in table.rows} == {"oracle"}
                assert head.endswith(("†", "† (%) ↑"))
            else:
                assert "oracle" not in {row[place].emphasis for row in table.rows}


def test_a_row_with_a_collapsed_run_cannot_win(tmp_path):
    table = main_table(three_methods(tmp_path, spread=0.1, collapsed=1))
    assert emphasis(table, "Δ last (%) ↑")["tent"] == ""
    assert emphasis(table, "Δ last (%) ↑")["tipi"] == "bold"
    collapsed = {row[0].text: row[table.head.index("collapsed")].text for row in table.rows}
    assert collapsed == {"base": "0/2", "tent": "1/2 @ 1", "tipi": "0/2", "ttt": "0/2"}
    assert {row[0].text: row[1].text for row in table.rows}["tent"] == "1"


def test_lower_is_better_where_it_is(tmp_path):
    cells = [trajectory(name, {"depth": [1.0, value]}) for name, value in (("base", 1.0), ("tent", 0.5))]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    assert emphasis(main_table(group), "Depth RMSE (m) ↓") == {"base": "", "tent": "bold"}


def test_a_difference_the_digits_do_not_show_is_a_tie(tmp_path):
    cells = [trajectory(name, {"depth": [1.0, value]}) for name, value in (("tent", 0.50001), ("tipi", 0.5))]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    assert emphasis(main_table(group), "Depth RMSE (m) ↓") == {"tent": "bold", "tipi": "bold"}


def test_standing_still_does_not_win_at_being_in_step(tmp_path):
    values = {"semseg": [0.4, 0.5, 0.4], "depth": [1.0, 0.9, 0.8]}
    cells = [trajectory("base", {k: [v[0]] * 3 for k, v in values.items()}), trajectory("tent", values)]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    for head in ("SV ↓", "DTW ↓", "CS ↑"):
        assert emphasis(sync_table(group), head) == {"base": "", "tent": "bold"}


def test_nobody_wins_a_column_without_a_direction(tmp_path):
    group = three_methods(tmp_path)
    assert winners(group.rows, Column("last/delta", "x", number(2))) == set()
    assert winners(group.rows, Column("no such measure", "x", number(2), 1)) == set()


def test_paired_differences_use_shared_seeds_only(tmp_path):
    cells = [trajectory("base", {"semseg": [0.4, 0.4]}, seed=s) for s in range(3)]
    cells += [trajectory("tent", {"semseg": [0.4, 0.4 * g]}, seed=s) for s, g in enumerate((1.5, 1.6, 1.7))]
    cells += [trajectory("tipi", {"semseg": [0.4, 0.4 * g]}, seed=s) for s, g in ((1, 1.2), (2, 1.3), (7, 9.0))]
    group = build_report(save(tmp_path, *cells), figures=False).groups[0]
    table = paired_table(group)
    assert "tent against the others" in table.title
    tipi = next(row for row in table.rows if row[0].text == "tipi")
    assert [entry.text for entry in tipi] == ["tipi", "2", "+40.00 ± 0.00", "2/2"]


def test_numbers():
    show = number(2, 100.0, signed=True)
    assert show(0.12345) == "+12.35"
    assert show(-1e-9) == "+0.00"
    assert show(float("nan")) == show(np.inf) == "–"
    assert number(3)(2.0) == "2.000"


NASTY = TextTable(
    "A_1 & {b}",
    ("method", "100% ↑", "Δ−bn †"),
    ((Entry("m_1|x"), Entry("1 ± 2 #$~^\\", "bold"), Entry("{3}", "oracle")), (Entry("b"), Entry("–"), Entry("<°>"))),
    ("note_1",),
)


def assert_balanced(text):
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert re.findall(r"\\begin\{(\w+)\}", code) == re.findall(r"\\end\{(\w+)\}", code)
    bare = code.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert code.replace(r"\$", "").count("$") % 2 == 0
    assert code.isascii()
    for block in code.split(r"\begin{tabular}")[1:]:
        columns = len(re.match(r"\{([lr]+)\}", block)[1])
        lines = [line for line in block.splitlines() if line.endswith(r"\\")]
        assert lines
        assert all(line.replace(r"\&", "").count("&") == columns - 1 for line in lines)


def test_latex_escapes_and_balances():
    text = latex([NASTY], "a comment")
    assert_balanced(text)
    assert r"\textbf{1 $\pm$ 2 \#\$" in text
    assert r"\textit{\{3\}}" in text
    assert escape_latex("a_b%") == r"a\_b\%"


def test_markdown_has_equal_columns():
    lines = [line for line in markdown([NASTY]).splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "**1 ± 2" in lines[2]
    assert "*{3}*" in lines[2]


def test_every_written_table_holds_together(drawn):
    tables = drawn.folder / "tables"
    assert len(list(tables.glob("*.tex"))) == 2
    for path in tables.glob("*.tex"):
        assert_balanced(path.read_text())
    for path in [*tables.glob("*.md"), drawn.folder / "report.md"]:
        width = None
        for line in path.read_text().splitlines():
            if not line.startswith("|"):
                width = None
                continue
            count = line.replace("\\|", "").count("|")
            assert width in (None, count), (path.name, line)
            width = count


def test_the_papers_numbers_stand_beside_ours_where_names_match(drawn):
    ours, other = (g for g in sorted(drawn.groups, key=lambda g: g.pair != "taskonomy->nyudv2"))
    text = (drawn.folder / "tables" / f"{ours.slug}.md").read_text()
    assert "Beside the paper" in text
    line = next(line for line in text.split("Beside the paper")[1].splitlines() if line.startswith("| s4t"))
    assert "59.37 ± 0.15" in line
    assert "+34.94" in line
    assert "Beside the paper" not in (drawn.folder / "tables" / f"{other.slug}.md").read_text()


def test_single_is_compared_with_the_papers_single_table(tmp_path):
    cell = trajectory("s4t", {"semseg": [0.3, 0.4]}, pair="taskonomy->nyudv2", protocol="single")
    made = build_report(save(tmp_path, cell), figures=False)
    text = (tmp_path / "tables" / f"{made.groups[0].slug}.md").read_text()
    line = next(line for line in text.split("Beside the paper")[1].splitlines() if line.startswith("| s4t"))
    assert "56.56 ± 0.085" in line
    assert "59.37" not in text


@pytest.mark.parametrize("pair", ["taskonomy->nyudv2", "taskonomy->pascal", "nyudv2->taskonomy", "pascal->taskonomy"])
def test_paper_results_cover_the_four_pairs(pair):
    from ttt_bench.report import paper_results

    found = paper_results(pair)
    main = found[found["table"].isin([1, 7])]
    assert set(main["method_id"]) == {
        "base",
        "tent",
        "tipi",
        "ttt",
        "tttpp",
        "tttflow",
        "clust3",
        "actmad",
        "nctt",
        "s4t",
    }
    tasks = 4 if "nyudv2" in pair else 3
    assert len(main) == 10 * (tasks + 1)
    assert (main.loc[main["metric"] != "delta", "metric_id"] != "").all()
    assert paper_results("rooms/studio->rooms/fog").empty


def test_latex_needs_booktabs_alone(drawn):
    """A reader of LaTeX: only commands of LaTeX itself and booktabs, every row as wide as its columns, braces in pairs."""
    own = {"begin", "end", "textbf", "textit", "toprule", "midrule", "bottomrule", "textbackslash", "textasciitilde",
           "textasciicircum", "textless", "textgreater", "Delta", "uparrow", "downarrow", "rightarrow", "pm", "approx", "times",
           "circ", "dagger"}  # fmt: skip
    for path in (drawn.folder / "tables").glob("*.tex"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("%")]
        assert set(re.findall(r"\\([A-Za-z]+)", "\n".join(lines))) <= own
        width = 0
        for line in lines:
            bare = re.sub(r"\\[{}&]", "", line)
            assert bare.count("{") == bare.count("}"), line
            if found := re.match(r"\\begin\{tabular\}\{([lr]+)\}", line):
                width = len(found[1])
            elif line.endswith(r"\\"):
                assert bare.count("&") == width - 1, line
