"""From a report to the page's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ttt_bench import __version__
from ttt_bench.names import shown
from ttt_bench.report.commands import asked_commands
from ttt_bench.report.page import model
from ttt_bench.report.page.sections import further
from ttt_bench.report.page.views import facets_of, make_view
from ttt_bench.report.paper import paper_order
from ttt_bench.report.result import Report
from ttt_bench.report.runs import Run
from ttt_bench.report.selection import SELECTIONS
from ttt_bench.report.style import MethodStyle, method_styles
from ttt_bench.store.folder import SweepFolder

PICTURE_BYTES = 1_400_000
"""Of all pictures of a page."""
_SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross", "X": "x",
    "<": "triangle-left", ">": "triangle-right", "p": "pentagon", "h": "hexagon", "d": "diamond-tall", "8": "octagon",
    "*": "star", "_": "line-ew-open",
}  # fmt: skip


def describe(report: Report, command: str, sections: Sequence[model.Section] = ()) -> model.Page:
    """Everything the page shows.

    Args:
        report: scored, whether written or not.
        command: how it was asked for.
        sections: further ones, shown before the report's own.
    """
    labels = list(dict.fromkeys(row.label for group in report.groups for row in group.rows))
    styles = method_styles(labels, paper_order())
    places = {label: place for place, label in enumerate(labels)}
    asked = {cell: line for folder in report.sources for cell, line in asked_commands(folder).items()}
    room = PICTURE_BYTES // max(len(report.groups), 1)
    runs = [s.run for group in report.groups for row in group.rows for s in row.runs]
    return model.Page(
        title=report.folder.name or "report",
        verdict=report.verdict,
        warnings=report.warnings,
        facets=facets_of(report.groups),
        selections=tuple(model.Selection(s.id, s.title, s.rule, s.oracle) for s in SELECTIONS),
        looks=tuple(_look(styles[label]) for label in labels),
        views=tuple(make_view(group, places, asked, room) for group in report.groups),
        sections=(*sections, *further(report, places)),
        failures=tuple(loss for folder in report.sources for loss in _failures(folder)),
        provenance=_provenance(runs, sorted(set(asked.values())), command),
    )


def _look(style: MethodStyle) -> model.Look:
    dash = style.line if style.line == "-" else ",".join(f"{2 * part:g}px" for part in style.line[1])
    colour = "" if style.colour == "#000000" else style.colour
    return model.Look(colour, "solid" if dash == "-" else dash, _SYMBOLS[style.marker])


def _failures(folder: Path) -> tuple[model.Loss, ...]:
    store = SweepFolder(folder)
    found = [store.failure(id) for id in sorted(store.failed())]
    return tuple(
        model.Loss(shown(f.label or f.cell_id), f"{f.kind}, attempt {f.attempt}", shown(f.error))
        for f in found
        if f is not None
    )


def _provenance(runs: list[Run], sweeps: list[str], command: str) -> tuple[tuple[str, str], ...]:
    versions = [run.provenance.get("versions") or {} for run in runs]
    told = [
        ("report", f"ttt_bench {__version__}"),
        ("made with", command),
        *(("sweep", line) for line in sweeps),
        ("cells", f"{len({run.cell_id for run in runs})}"),
        ("commit of the cells", _counted(run.provenance.get("git_sha") or "unknown" for run in runs)),
        ("device", _counted(run.provenance.get("device") or "unknown" for run in runs)),
        *(
            (name, _counted(known.get(name) or "unknown" for known in versions))
            for name in sorted({name for known in versions for name in known})
        ),
    ]
    return tuple((what, shown(text)) for what, text in told if text)


def _counted(values: Iterable[object]) -> str:
    counts = Counter(map(str, values))
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
