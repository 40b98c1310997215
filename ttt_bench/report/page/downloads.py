"""Every table as CSV, Markdown and LaTeX, made by the code that writes ``tables/``."""

from __future__ import annotations

from typing import Any

from ttt_bench.report.entries import Emphasis, Entry, TextTable
from ttt_bench.report.markup import csv_text, latex, markdown
from ttt_bench.report.page.model import Section
from ttt_bench.report.result import Report


def tables_of(report: Report, sections: tuple[Section, ...]) -> list[dict[str, Any]]:
    """What the page shows under "All tables" and offers as files, in the order of the report."""
    found = [
        _table(table, f"{group.slug}_{number}", f"{group.pair}: {group.block.title}", group.slug)
        for group in report.groups
        for number, table in enumerate(report.tables[group.slug], start=1)
    ]
    return [*found, *(_table(section_table(section), section.id, "", "") for section in sections)]


def section_table(section: Section) -> TextTable:
    """A section of the page as a table, what is said of it and under it as its notes."""
    said = (section.said,) if section.said else ()
    return TextTable(section.title, section.head, _entries(section), (*said, *section.notes))


def _entries(section: Section) -> tuple[tuple[Entry, ...], ...]:
    unmarked: tuple[Emphasis, ...] = ("",)
    marks = section.marks or tuple(unmarked * len(row) for row in section.rows)
    return tuple(
        tuple(Entry(text, mark) for text, mark in zip(row, marked, strict=True))
        for row, marked in zip(section.rows, marks, strict=True)
    )


def _table(table: TextTable, name: str, of: str, slug: str) -> dict[str, Any]:
    return {
        "of": slug,
        "name": name,
        "title": table.title,
        "head": table.head,
        "rows": [[[entry.text, entry.emphasis] for entry in row] for row in table.rows],
        "notes": table.notes,
        "csv": csv_text(table),
        "md": markdown([table], level=2),
        "tex": latex([table], of or table.title),
    }
