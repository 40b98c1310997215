"""From what is stored of a study to its page and its figure; nothing is computed anew."""

from __future__ import annotations

from pathlib import Path

from ttt_bench.report.style import draw_into_files
from ttt_bench.studies.contract import Stored, Study
from ttt_bench.studies.page import FOLDER, Outcome, write_page


def write_study(study: Study, stored: Stored, command: str, figures: bool) -> tuple[list[Path], Outcome | None]:
    """Write ``folder/study``: table.md, .csv, .tex, and figure.png and .pdf.

    Args:
        study: which.
        stored: what is there of it.
        command: how it was asked for, kept with tables and figure.
        figures: whether to draw.

    Returns:
        The files written, and what stands in them; nothing when nothing is finished.
    """
    outcome = study.outcome(stored)
    if not outcome.tables:
        return [], None
    paths = []
    if figures:
        draw_into_files()
        from ttt_bench.report.figures.canvas import own_look

        whose = "the paper's" if study.origin == "S4T" else f"{study.origin}:"
        title = f"{study.title} ({whose} {study.paper.replace(' (', ', ').rstrip(')')})"
        with own_look():
            # The whole command stands on the page; it is longer than a figure is wide.
            sketch = study.draw(title, stored)
            paths = sketch.save(stored.folder / FOLDER / "figure", f"python -m ttt_bench study {study.name}")
    return [*write_page(study, outcome, stored.folder, command, figures, stored.warnings), *paths], outcome
