"""What every study writes, and how its numbers are read back."""

import pandas as pd


def frame(folder):
    return pd.read_csv(folder / "study/table.csv")


def check_outputs(folder, figure=True, paper="S4T paper"):
    files = {path.name for path in (folder / "study").iterdir() if path.is_file()}
    assert files == {"table.md", "table.csv", "table.tex"} | ({"figure.png", "figure.pdf"} if figure else set())
    assert (folder / "study/table.tex").read_text().count(r"\begin{tabular}") > 0
    page = (folder / "study/table.md").read_text()
    for word in (paper, "What to keep in mind", "python -m ttt_bench study"):
        assert word in page
    return page
