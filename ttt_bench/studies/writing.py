"""From what is stored of a study to its page and its figure; nothing is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from ttt_bench.report.figures.canvas import Sketch, cells_of
from ttt_bench.report.frames import summary_frame
from ttt_bench.report.groups import Group
from ttt_bench.report.style import RC
from ttt_bench.report.tables import TextTable
from ttt_bench.studies.catalogue import Study
from ttt_bench.studies.checks import affinity_outcome, tbs_outcome
from ttt_bench.studies.figures.checks import draw_affinity, draw_retained
from ttt_bench.studies.figures.sweeps import draw_noise, draw_ratios
from ttt_bench.studies.figures.variants import draw_single_tasks, draw_variants
from ttt_bench.studies.page import FOLDER, Outcome, write_page
from ttt_bench.studies.parts import Part
from ttt_bench.studies.results import PartResult, against_clean, beside_multi, load_parts
from ttt_bench.studies.tables import gains_table, noise_tables, single_task_table, variants_table


def write_study(
    study: Study, parts: Sequence[Part], raw: Sequence[dict[str, Any]], folder: Path, command: str, figures: bool
) -> tuple[list[Path], tuple[TextTable, ...]]:
    """Write ``folder/study``: table.md, .csv, .tex, and figure.png and .pdf.

    Args:
        study: which.
        parts: its sweeps.
        raw: stored measurements of the assumption checks.
        folder: of the sweep.
        command: how it was asked for, kept with tables and figure.
        figures: whether to draw.

    Returns:
        The files written, and the tables in them; nothing when nothing is finished.
    """
    outcome, draw = _found(study, parts, raw, folder)
    if not outcome.tables:
        return [], ()
    paths = []
    if figures:
        with matplotlib.rc_context(RC):
            # The whole command stands on the page; it is longer than a figure is wide.
            paths = draw().save(folder / FOLDER / "figure", f"python -m ttt_bench study {study.name}")
    return [*write_page(study, outcome, folder, command, figures), *paths], outcome.tables


def _found(study: Study, parts: Sequence[Part], raw: Sequence[dict[str, Any]], folder: Path) -> tuple[Outcome, Any]:
    title = f"{study.title} (the paper's {study.paper.replace(' (', ', ').rstrip(')')})"
    if study.name == "tbs-mask":
        return tbs_outcome(raw), lambda: draw_retained(title, raw)
    results = load_parts(parts, folder)
    if study.name == "affinity":
        outcome = affinity_outcome(raw)
        beside = [variants_table(group) for group in results[0].groups]
        tables = (*outcome.tables, *beside) if outcome.tables else ()
        return Outcome(tables, outcome.frame), lambda: draw_affinity(title, raw)
    return _sweep_outcome(study, results), lambda: _draw_sweep(study, title, results)


def _sweep_outcome(study: Study, results: Sequence[PartResult]) -> Outcome:
    if study.name == "noise":
        against_clean(results)
        frames = [summary_frame(part.groups).assign(input_noise=float(part.key)) for part in results if part.groups]
        tables = noise_tables(results) if results[0].groups else []
        return Outcome(tuple(tables), pd.concat(frames) if frames else pd.DataFrame())
    groups = _groups(study, results)
    if study.name == "single-task":
        return Outcome(tuple(single_task_table(group) for group in groups), summary_frame(groups))
    pairs = [(variants_table(group), gains_table(group)) for group in groups]
    return Outcome(tuple(table for pair in pairs for table in pair), summary_frame(groups))


def _groups(study: Study, results: Sequence[PartResult]) -> list[Group]:
    return beside_multi(results) if study.name == "single-task" else list(results[0].groups)


def _draw_sweep(study: Study, title: str, results: Sequence[PartResult]) -> Sketch:
    if study.name == "noise":
        return draw_noise(title, results)
    groups = _groups(study, results)
    if study.name == "single-task":
        # A row of single tasks stands for the cells of all of them.
        return replace(draw_single_tasks(title, groups), cells=cells_of([g for part in results for g in part.groups]))
    return draw_ratios(title, groups) if study.name == "mask-ratio" else draw_variants(title, groups)
