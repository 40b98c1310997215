"""Whether a report still says what its folder holds, so that an unchanged one is not made again. No pandas."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ttt_bench
from ttt_bench.errors import UserError
from ttt_bench.files import open_regular, read_object, write_text

END_BYTES = 16384
"""Of a cell: the list of its arrays with their check sums takes about 100 bytes each."""


@dataclass(frozen=True)
class Stamp:
    """What a report was made from, and what was said of it."""

    inputs: str
    """``inputs_of`` the folder at that time."""
    text: str
    """The table as it was printed."""
    paths: tuple[str, ...]
    """Files written, below the folder."""
    ending: tuple[str, str] = ("", "")
    """The verdict, and what to try next."""


def inputs_of(folder: Path, options: dict[str, Any]) -> str:
    """Hash over everything a report of ``folder`` depends on: cells, failures, requests, options and this code.

    Contents decide, never a file's times, which copies and clocks change: of a cell its size and its end, where its
    archive lists the check sum of every array.
    """
    state = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for base, path in _read_from(folder):
        state.update(f"\n{path.relative_to(base)} ".encode(errors="backslashreplace"))
        state.update(_told(path))
    return state.hexdigest()


def _told(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END_BYTES) if path.suffix == ".npz" else 0)
            return f"{size} ".encode() + hashlib.sha256(file.read()).digest()
    except (OSError, UserError):
        return b"unreadable"


def _read_from(folder: Path) -> Iterator[tuple[Path, Path]]:
    for part in ("cells", "failures", "sweeps"):
        yield from ((folder, path) for path in sorted((folder / part).glob("[!.]*")))
    yield from ((folder, path) for path in sorted((folder / "selection").glob("choices.parquet")))
    code = Path(ttt_bench.__file__).parent
    yield from ((code, path) for path in sorted(code.rglob("*.py")))
    yield from ((code, path) for path in sorted((code / "report" / "page" / "assets").glob("[!.]*")))


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of the report in ``folder``, if it is readable and all files of the report are there."""
    try:
        content = read_object(_place(folder))
        verdict, following = map(str, content["ending"])
        stamp = Stamp(
            str(content["inputs"]), str(content["text"]), tuple(map(str, content["paths"])), (verdict, following)
        )
    except (UserError, KeyError, TypeError, ValueError):
        return None  # never made, or damaged: the report is made (again)
    return stamp if stamp.paths and all((folder / path).is_file() for path in stamp.paths) else None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Leave ``stamp`` beside the report."""
    write_text(_place(folder), json.dumps(asdict(stamp)))


def _place(folder: Path) -> Path:
    return folder / "tables" / "stamp.json"
