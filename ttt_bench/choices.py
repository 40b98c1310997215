"""Words and numbers of settings: what is valid, decided once for the command line, TOML files and method files.

Every reader takes ``what``, the option's or key's name as the user wrote it, and every error begins with it. No torch.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ttt_bench.errors import UserError, did_you_mean

DIGITS = 15
"""A whole number with more digits is a slip of the hand; all shorter ones are exact in a float too."""
MOST_SEEDS = 10_000
"""Of one sweep."""


@dataclass(frozen=True)
class Range:
    """Finite numbers between two bounds: ``Range(0, 1)`` includes them, ``Range(above=0)`` leaves its bound out."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        bounds = (("at least", self.low), ("above", self.above), ("at most", self.high), ("below", self.below))
        said = [f"{words} {bound:,.10g}" for words, bound in bounds if bound is not None]
        return " and ".join(said) or "a finite number"


@dataclass(frozen=True)
class Joined:
    """A text of words joined by ``+``, each one of ``words`` and none twice: ``Joined(("1", "2"))`` takes ``1+2``."""

    words: tuple[str, ...]

    def __contains__(self, text: str) -> bool:
        parts = text.split("+")
        return set(parts) <= set(self.words) and len(set(parts)) == len(parts)

    def __str__(self) -> str:
        return f"of {', '.join(self.words)}, joined by +"


ANY = Range()
POSITIVE = Range(above=0)
SEEDS = Range(0, 2**32 - 1)
"""What the generators of numpy and torch both take."""


def check_range(what: str, value: float, valid: Range) -> None:
    """Refuse a number outside ``valid``, which nan and the infinities always are.

    Raises:
        UserError: it is.
    """
    if value not in valid:
        finite = "" if math.isfinite(value) or valid == ANY else "finite and "
        raise UserError(f"{what} must be {finite}{valid}, not {shown(value)}.")


def read_int(what: str, text: str, valid: Range = ANY) -> int:
    """A whole number within ``valid``.

    Raises:
        UserError: it is none.
    """
    word = text.strip()
    if not re.fullmatch("[+-]?[0-9]+", word):
        raise UserError(f"{what} {shown(text)} is not a whole number.")
    if len(word.lstrip("+-0")) > DIGITS:
        raise UserError(f"{what} {shown(text)} is too large a number.")
    check_range(what, int(word), valid)
    return int(word)


def read_float(what: str, text: str, valid: Range = ANY) -> float:
    """A finite number within ``valid``.

    Raises:
        UserError: it is none.
    """
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(f"{what} {shown(text)} is not a number.") from error
    check_range(what, value, valid)
    return value


def read_bool(what: str, text: str) -> bool:
    """``true``, ``yes``, ``1``, ``false``, ``no`` or ``0``, in any case.

    Raises:
        UserError: it is none of these.
    """
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.strip().lower() not in words:
        raise UserError(f"{what} {shown(text)} is neither true nor false.", "Write true or false.")
    return words[text.strip().lower()]


def check_word(what: str, word: str, valid: Iterable[str]) -> None:
    """Refuse a word that is not among ``valid``.

    Raises:
        UserError: it is not; the hint names the nearest one.
    """
    choices = tuple(valid)
    if word not in choices:
        raise UserError(f"{what} {shown(word)} is unknown.", did_you_mean(word, choices))


def read_list(what: str, text: str) -> tuple[str, ...]:
    """The words of a comma-separated list.

    Raises:
        UserError: there are none, or one is there twice.
    """
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise UserError(f"{what} is empty.", "Give words separated by commas, or leave it out.")
    check_once(what, words)
    return words


def check_once(what: str, words: Sequence[object]) -> None:
    """Refuse what is given twice: one of the two would be ignored.

    Raises:
        UserError: something is.
    """
    for place, word in enumerate(words):
        if word in words[:place]:
            raise UserError(f"{what} has {shown(word)} twice.", "Leave one out.")


def check_device(what: str, text: str) -> None:
    """Refuse what names no device; whether this machine has it is another question.

    Raises:
        UserError: it names none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", text):
        raise UserError(f"{what} {shown(text)} is not a device.", "Valid: cpu, cuda, cuda:N, auto.")


def check_path(what: str, path: Path | str) -> None:
    """Refuse what no file system takes as a path.

    Raises:
        UserError: it has a name longer than 255 bytes, a zero byte, or the home of a user who has none.
    """
    text = str(path)
    if text.startswith("~") and os.path.expanduser(text).startswith("~"):  # noqa: PTH111 - raises no error
        raise UserError(f"{what} {shown(text)}: there is no such home folder.", "Write the whole path.")
    if "\0" in text or any(len(os.fsencode(part)) > 255 for part in text.split("/")) or len(os.fsencode(text)) > 4000:
        raise UserError(f"{what} {shown(text)} is longer than any path may be.", "Give a file or folder.")


def shown(value: object) -> str:
    """A value as a message quotes it: short, on one line, whatever it is."""
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # an int of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
