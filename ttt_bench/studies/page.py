"""Writing a study down: one page, one CSV, one LaTeX file, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ttt_bench.files import write_atomically, write_text
from ttt_bench.report.entries import TextTable
from ttt_bench.report.markup import escape_markdown, latex, markdown
from ttt_bench.studies.contract import Study

FOLDER = "study"


@dataclass(frozen=True)
class Outcome:
    """A study's tables, numbers and figure, before they are written."""

    tables: tuple[TextTable, ...]
    frame: pd.DataFrame
    said: str = ""
    """What can be read from them, in words that follow from the numbers alone; on top of the page."""


def write_page(
    study: Study, outcome: Outcome, folder: Path, command: str, figure: bool, warnings: Sequence[str] = ()
) -> list[Path]:
    """Write ``table.md``, ``table.csv`` and ``table.tex`` into ``folder/study``.

    Args:
        study: what was asked.
        outcome: what was found.
        folder: of the sweep.
        command: how to make it again.
        figure: whether a ``figure.png`` lies beside the page.
        warnings: what could not be read; stands at the top.
    """
    target = folder / FOLDER
    lines = [f"# {study.title}", "", f"*{study.question}*", ""]
    lines += [f"{study.origin} paper, {study.paper}: {study.printed}.", ""]
    lines += [f"**{escape_markdown(outcome.said)}**", ""] if outcome.said else []
    lines += [f"> **WARNING** {escape_markdown(line)}\n" for line in warnings]
    lines.append(markdown(outcome.tables, level=2))
    if figure:
        lines += ["![figure](figure.png)", ""]
    lines += ["## What to keep in mind", "", *(f"- {note}" for note in study.notes), "", f"`{command}`", ""]
    write_text(target / "table.md", "\n".join(lines))
    csv = outcome.frame.to_csv(index=False).encode()
    write_atomically(target / "table.csv", lambda file: file.write(csv))
    write_text(target / "table.tex", latex(outcome.tables, f"{study.title} ({study.cited})"))
    return [target / f"table.{kind}" for kind in ("md", "csv", "tex")]
