"""What stands behind an option, read and checked."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ttt_bench.choices import MOST_SEEDS, Range, check_device, read_int, read_list, shown
from ttt_bench.domains.catalogue import given_roots
from ttt_bench.domains.disk.options import FileOptions, Roots, read_skipped
from ttt_bench.errors import UserError


def check_retry(text: str) -> None:
    """``--retry`` of every command.

    Raises:
        UserError: it is neither left out nor ``failed``.
    """
    if text not in ("", "failed"):
        raise UserError(f"--retry {text!r} is unknown.", "Valid: failed.")


def check_device_option(text: str) -> str:
    """``--device`` of every command, checked as it is read."""
    check_device("--device", text)
    return text


def read_words(option: str, text: str | None) -> tuple[str, ...] | None:
    """Words between commas; None where the option is not given."""
    return None if text is None else read_list(option, text)


def read_numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """Whole numbers between commas; None where the option is not given."""
    return None if text is None else tuple(read_int(option, word) for word in read_list(option, text))


def read_seeds(text: str | None) -> tuple[int, ...] | None:
    """``--seeds`` of every command: a count such as ``3``, or a list such as ``0,4,7``."""
    if text is None or "," in text:
        return read_numbers("--seeds", text)
    return tuple(range(read_int("--seeds, a count,", text, Range(1, MOST_SEEDS))))


def read_size(text: str | None) -> tuple[int, int] | None:
    """``--size`` of every command: ``64x96``, or ``64`` for a square.

    Raises:
        UserError: it is neither.
    """
    if text is None:
        return None
    sides = text.split("x")
    if len(sides) > 2 or not any(character.isdigit() for character in text):
        raise UserError(f"--size {shown(text)} is not HxW.", "Write for example 64x64 or 96x128.")
    return read_int("--size", sides[0]), read_int("--size", sides[-1])


def read_roots(
    data: list[str] | None,
    trust_names: bool = False,
    skip_bad: Path | None = None,
    domain: list[Path] | None = None,
) -> Roots:
    """``--data``, and how the files there are read.

    Args:
        data: ``name=folder``, or several between commas.
        trust_names: whether names and sizes stand for what is in the files.
        skip_bad: a list of images to leave out.
        domain: files with domains of one's own.

    Raises:
        UserError: a root is not written like that, or the list cannot be read.
    """
    declared = tuple(Path(os.path.realpath(path.expanduser())) for path in domain or ())
    return given_roots(data or (), FileOptions(trust_names, read_skipped(skip_bad)), declared)


def check_name(name: str) -> None:
    """``--name`` of a sweep.

    Raises:
        UserError: it cannot be a folder's name, or is that of the cache.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or name == "cache":
        raise UserError(
            f"--name {shown(name)} cannot be a folder name here.", "Use letters, digits, '.', '_' and '-', at most 100."
        )
