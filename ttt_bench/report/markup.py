"""A table as Markdown, as LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from ttt_bench.names import shown
from ttt_bench.report.entries import Entry, TextTable

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "Δ": r"$\Delta$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "→": r"$\rightarrow$",
        "±": r"$\pm$",
        "≈": r"$\approx$",
        "×": r"$\times$",
        "−": r"$-$",
        "°": r"$^\circ$",
        "†": r"$^\dagger$",
        "–": "--",
        "`": "'",
    }
)


_ACTS = re.compile(r"[\\`*\[\]<|$~_]|^\s*[#>+=-](?:\s|$)")
"""What may have a meaning in Markdown: see ``escape_markdown``."""


def markdown(tables: Sequence[TextTable], level: int = 3) -> str:
    """Pipe tables with their notes, under headings of the given level."""
    return "\n".join(_markdown(table, level) for table in tables)


def _markdown(table: TextTable, level: int) -> str:
    lines = [f"{'#' * level} {escape_markdown(table.title, kept='`')}", ""]
    lines.append("| " + " | ".join(escape_markdown(head) for head in table.head) + " |")
    lines.append("|:--" + "|--:" * (len(table.head) - 1) + "|")
    lines += ["| " + " | ".join(_markdown_entry(e) for e in row) + " |" for row in table.rows]
    lines += [""] + [f"- {escape_markdown(note, kept='`')}" for note in table.notes] + ([""] if table.notes else [])
    return "\n".join(lines)


def _markdown_entry(entry: Entry) -> str:
    text = escape_markdown(entry.text)
    return {"bold": f"**{text}**", "oracle": f"*{text}*", "": text}[entry.emphasis]


def escape_markdown(text: str, kept: str = "") -> str:
    """Text as Markdown shows it: no table, link, emphasis, formula or HTML is made of what stands in it.

    Args:
        text: may come from data.
        kept: characters that may have their meaning: this project's own sentences set names in backticks.
    """
    said = shown(text)
    if not _ACTS.search(said):
        return said  # as do almost all entries, and a report has a hundred thousand
    escaped = "".join(f"\\{c}" if c in "\\`*[]<|$~" and c not in kept else c for c in said)
    # Inside a word an underscore is itself; at its edge it may begin emphasis, as a sign may begin a list or heading.
    edged = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)
    return re.sub(r"^(\s*)([#>+=-])(?=\s|$)", r"\1\\\2", edged)


def csv_text(table: TextTable) -> str:
    """The table's cells as text, a line per row; what a spreadsheet would take for a formula is quoted as text."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_csv_cell, table.head))
    writer.writerows([_csv_cell(entry.text) for entry in row] for row in table.rows)
    return file.getvalue()


def _csv_cell(text: str) -> str:
    said = shown(text)
    # A signed number stays one; a name that begins like a formula does not become one.
    return f"'{said}" if said[:1] in ("=", "+", "-", "@") and not said[1:2].isdigit() else said


def latex(tables: Sequence[TextTable], comment: str) -> str:
    """``tabular`` environments, one after the other; they need booktabs alone."""
    head = [f"% {shown(line)}" for line in (comment, r"needs \usepackage{booktabs}")]
    return "\n".join([*head, *(_latex(table) for table in tables), ""])


def _latex(table: TextTable) -> str:
    lines = ["", f"% {shown(table.title)}", r"\begin{tabular}{l" + "r" * (len(table.head) - 1) + "}", r"\toprule"]
    lines.append(" & ".join(escape_latex(head) for head in table.head) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(_latex_entry(entry) for entry in row) + r" \\" for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {shown(note)}" for note in table.notes]
    return "\n".join(lines)


def _latex_entry(entry: Entry) -> str:
    text = escape_latex(entry.text)
    marked = {"bold": rf"\textbf{{{text}}}", "oracle": rf"\textit{{{text}}}"}
    return marked.get(entry.emphasis, text)


def escape_latex(text: str) -> str:
    """Plain text as LaTeX."""
    return shown(text).translate(_LATEX)
