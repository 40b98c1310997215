"""From finished trials to the page, tables, figures and frames of ``select``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.files import write_text
from ttt_bench.names import file_names
from ttt_bench.report.entries import TextTable
from ttt_bench.report.groups import MOST_SLUG
from ttt_bench.report.markup import escape_markdown, latex, markdown
from ttt_bench.report.style import draw_into_files
from ttt_bench.selection.frames import write_frames
from ttt_bench.selection.results import Panel, chosen_rows, panels, tried_rows
from ttt_bench.selection.rounds import Compared
from ttt_bench.selection.tables import all_tables, sentence

FOLDER = "selection"


@dataclass(frozen=True)
class Written:
    """What was found and where it lies."""

    tables: tuple[TextTable, ...] = ()
    sentence: str = ""
    paths: tuple[Path, ...] = ()
    """The page first."""


def write_selection(found: Compared, folder: Path, command: str, figures: bool) -> Written:
    """Write everything below ``folder/selection``; nothing where no choice can be made yet.

    Args:
        found: every strategy's answers.
        folder: of the trials.
        command: how they were asked for.
        figures: whether to draw.
    """
    target, each = folder / FOLDER, panels(found)
    tables = tuple(all_tables(each, found.strategies))
    if not tables:
        return Written()
    said = sentence(each, found.strategies)
    pictures = _draw(each, found, target, command) if figures else []
    frames = write_frames({"trials": tried_rows(found), "choices": chosen_rows(each)}, target)
    page = target / "selection.md"
    lines = ["# Who chose the settings?", "", f"**{escape_markdown(said)}**", ""]
    lines += [f"> **WARNING** {escape_markdown(line)}\n" for line in found.ledger.warnings]
    lines += (
        [f"> {len(found.plan.later)} more trials follow: run the same command again.\n"] if found.plan.later else []
    )
    lines += [markdown(tables, level=2)]
    lines += [f"![{path.stem}]({path.name})\n" for path in pictures if path.suffix == ".png"]
    write_text(page, "\n".join([*lines, f"`{command}`", ""]))
    write_text(target / "selection.tex", latex(tables, "Who chose the settings?"))
    return Written(tables, said, (page, target / "selection.tex", *frames, *pictures))


def _draw(each: Sequence[Panel], found: Compared, target: Path, command: str) -> list[Path]:
    draw_into_files()
    from ttt_bench.report.figures.canvas import own_look
    from ttt_bench.selection.figures import draw_rates

    paths: list[Path] = []
    names = file_names(((panel.title,) for panel in each), MOST_SLUG)
    with own_look():
        for name, panel in zip(names, each, strict=True):
            sketch = draw_rates(panel, found.ledger)
            paths += sketch.save(target / f"rates_{name}", command) if sketch else []
    return paths
