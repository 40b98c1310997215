"""The page as one file."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ttt_bench.files import write_text
from ttt_bench.report.page.describe import describe
from ttt_bench.report.page.downloads import tables_of
from ttt_bench.report.page.model import Page, Section
from ttt_bench.report.result import Report

SCRIPTS = ("core", "board", "charts", "curves", "points", "overall", "pictures", "tables", "start")
"""In the order in which they build on each other."""
_SPECIAL = {c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
"""What could end a script element or begin a comment in it; in JSON each may be written as an escape."""


def write_page(report: Report, path: Path, command: str, sections: Sequence[Section] = ()) -> Path:
    """Write ``report``, and ``sections`` beside its own, to ``path`` as one HTML file that fetches nothing.

    Raises:
        UnwritableError: it cannot be written.
    """
    page = describe(report, command, sections)
    write_text(path, render(page, tables_of(report, page.sections)))
    return path


def render(page: Page, tables: list[dict[str, Any]]) -> str:
    """The HTML of a page and of its tables, see ``tables_of``."""
    environment = Environment(
        loader=PackageLoader("ttt_bench.report.page", "assets"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html").render(
        page=page,
        style=Markup(_asset("page.css")),
        script=Markup("\n".join(_asset(f"{name}.js") for name in SCRIPTS)),
        data=Markup(as_json(page)),
        table_names=Markup(as_json([{"of": table["of"], "title": table["title"]} for table in tables])),
        tables=packed(as_json(tables)),
        library=packed_library(),
    )


def as_json(content: object) -> str:
    """JSON that stands in a script element, whatever texts are in it."""
    text = json.dumps(content, default=vars, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _SPECIAL.items():
        text = text.replace(character, escape)
    return text


def packed(text: str) -> str:
    """Text as gzip in base64: a browser unpacks it when it is needed. The same text gives the same bytes."""
    return b64encode(gzip.compress(text.encode(errors="backslashreplace"), compresslevel=6, mtime=0)).decode("ascii")


@lru_cache(maxsize=1)
def packed_library() -> str:
    """The plotting library, from its Python package: 4.8 MB, packed 2 MB."""
    return packed(get_plotlyjs())


def _asset(name: str) -> str:
    return files("ttt_bench.report.page").joinpath("assets", name).read_text(encoding="utf-8")
