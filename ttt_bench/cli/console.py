"""Everything that people read goes through here: whole paths at any width, no markup from data, any encoding."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ttt_bench.errors import UserError
from ttt_bench.names import printable

if TYPE_CHECKING:
    from ttt_bench.report.entries import TextTable

PLAIN = "ttt_bench.plain"
"""Name of the error handler that writes what an encoding lacks as something a reader can still make out."""

_LOOKS = {
    "D": "Δ", ">": "→", "<": "←", "^": "↑", "v": "↓", "+": "±╭╮╰╯┌┐└┘├┤┬┴┼", "x": "×✗", "-": "−–—─━╴╶╺╸",
    "*": "†", "o": "°", ".": "·…", "|": "│┃║╷╵", "=": "═", '"': "“”", "'": "‘’",
}  # fmt: skip
_SIMILAR = {ord(character): like for like, characters in _LOOKS.items() for character in characters}


class PlainConsole(Console):
    """A console that prints text as it is: never wrapped, never taken for markup, emoji or something to highlight."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """As ``rich``'s, but lines of text are not broken: they hold paths and commands that are copied."""
        lines = all(isinstance(each, (str, Text)) for each in objects)
        super().print(*objects, soft_wrap=lines if soft_wrap is None else soft_wrap, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text without what a terminal would act on; also of table cells, titles and headings."""
        return super().render_str(printable(text), **{**options, "markup": False, "emoji": False})

    def show(self, table: Table) -> None:
        """Print a table; where the window is too narrow for its longest word, wider than the window."""
        for column in table.columns:
            cells = [str(cell) for cell in (column.header, *column.cells) if isinstance(cell, (str, Text))]
            # Where every cell is one word there is nothing to wrap, and the room is taken from the prose.
            column.no_wrap = column.no_wrap or (bool(cells) and all(len(cell.split()) < 2 for cell in cells))
            pieces = cells if column.no_wrap else [word for cell in cells for word in cell.split()]
            column.min_width = max([column.min_width or 0, *map(cell_len, pieces)])
        least = Measurement.get(self, self.options.update(width=10_000, max_width=10_000), table).minimum
        if least > self.width:
            table.width = least
        self.print(table, soft_wrap=False, crop=False, overflow="ignore")


def wide(width: int) -> PlainConsole:
    """The terminal, or so many columns where there is none: a file or a pipe has no width of its own."""
    return console if console.is_terminal else PlainConsole(width=width)


console = PlainConsole()
errors = PlainConsole(stderr=True)


def show_table(table: TextTable, screen: PlainConsole, notes: int | None = None) -> None:
    """Print a table of texts, and below it its first ``notes`` notes; all of them where no number is given."""
    from ttt_bench.report.terminal import plain_table

    screen.show(plain_table(table))
    for note in table.notes[:notes]:
        screen.print(f"- {note}", style="dim")
    screen.print()


def fail(error: UserError) -> None:
    """Print an error: what and where in one line, what to do next in the one below."""
    errors.print(f"error: {error.message}", style="bold red")
    for line in error.hint.splitlines():
        errors.print(f"  {line}")


def warn(lines: Iterable[str]) -> None:
    """Print warnings, a line each."""
    for line in lines:
        console.print(f"WARNING: {line}", style="yellow")


def accept_any_text() -> None:
    """Let the streams write every character: an ASCII terminal shows a similar one, or an escape."""
    codecs.register_error(PLAIN, _substitute)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    similar = (c.translate(_SIMILAR) for c in wrong)
    return "".join(c if c.isascii() else c.encode("unicode_escape").decode() for c in similar), error.end
