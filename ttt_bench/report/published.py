"""Numbers that others have published, as a CSV file, beside ours."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.errors import UserError
from ttt_bench.files import read_text
from ttt_bench.names import shown
from ttt_bench.report.entries import MISSING, number
from ttt_bench.report.groups import Group, Row
from ttt_bench.report.page.model import Section
from ttt_bench.report.result import Report
from ttt_bench.report.uncertainty import DELTA as LAST_DELTA

COLUMNS = ("pair", "method", "metric", "value")
DELTA = "delta"
_HINT = f"Its columns: {', '.join(COLUMNS)}, and source if you like; metric is the id of one (TASK/METRIC), or {DELTA}."


@dataclass(frozen=True)
class Published:
    """One number, in the unit that the report shows."""

    pair: str
    method: str
    metric: str
    value: float
    source: str


def read_published(path: Path) -> tuple[Published, ...]:
    """Read a CSV file of published numbers.

    Raises:
        UserError: it cannot be read, lacks a column, is empty, or has a value that is no number; with its line.
    """
    reader = csv.DictReader(io.StringIO(read_text(path).removeprefix("\ufeff")))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}.", _HINT)
    found = [_published(path, number, row) for number, row in enumerate(reader, start=2)]
    if not found:
        raise UserError(f"{path} has no numbers.", _HINT)
    return tuple(found)


def _published(path: Path, line: int, row: dict[str, str | None]) -> Published:
    pair, method, metric, value = (shown((row.get(name) or "").strip()) for name in COLUMNS)
    try:
        return Published(pair, method, metric, float(value), shown((row.get("source") or "").strip()))
    except ValueError as error:
        raise UserError(f"{path}, line {line}: {value!r} is no number.", _HINT) from error


def published_section(report: Report, published: tuple[Published, ...]) -> Section:
    """Each published number with ours at the last step, where there is one."""
    rows = []
    for each in published:
        ours, digits = _ours(report, each)
        show, signed = number(digits), number(digits, signed=True)
        gap = MISSING if ours is None else signed(ours - each.value)
        rows.append(
            (
                each.method,
                each.pair,
                each.metric,
                show(each.value),
                MISSING if ours is None else show(ours),
                gap,
                each.source,
            )
        )
    said = "At the last step, means over seeds. Other data, networks and training: a reading aid, not a test."
    return Section(
        "published",
        "Beside published numbers",
        said,
        ("method", "pair", "metric", "published", "ours", "ours − published", "source"),
        tuple(rows),
    )


def _ours(report: Report, each: Published) -> tuple[float | None, int]:
    """Our number in the unit shown, None without one, and how many digits it has."""
    for group in report.groups:
        row = next((row for row in group.rows if each.method in (row.label, row.method)), None)
        if group.pair != each.pair or row is None:
            continue
        known = _measured(group, row, each.metric)
        if known is not None:
            return known
    return None, 2


def _measured(group: Group, row: Row, metric: str) -> tuple[float | None, int] | None:
    if metric == DELTA:
        return row.mean(LAST_DELTA), 2
    wanted = next((m for m in group.metrics if m.id == metric), None)
    return None if wanted is None else (row.mean(f"last/{metric}") * wanted.scale, wanted.digits)
