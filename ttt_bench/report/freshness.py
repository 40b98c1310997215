"""Whether a report still says what its folder holds, so that an unchanged one is not made again. No pandas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ttt_bench
from ttt_bench.files import write_text


@dataclass(frozen=True)
class Stamp:
    """What a report was made from, and what was said of it."""

    inputs: str
    """``inputs_of`` the folder at that time."""
    text: str
    """The table as it was printed."""
    paths: tuple[str, ...]
    """Files written, below the folder."""


def inputs_of(folder: Path, options: dict[str, Any]) -> str:
    """Hash over everything a report of ``folder`` depends on: cells, failures, requests, options and this code."""
    state = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    for path in _read_from(folder):
        found = path.stat()
        state.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    # Running a sweep again touches its request: which of them came last matters, not when.
    requests = sorted((folder / "sweeps").glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns)
    state.update(" ".join(path.name for path in requests).encode())
    return state.hexdigest()


def _read_from(folder: Path) -> Iterator[Path]:
    yield from sorted((folder / "cells").glob("[!.]*"))
    yield from sorted((folder / "failures").glob("[!.]*"))
    yield from sorted(Path(ttt_bench.__file__).parent.rglob("*.py"))


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of the report in ``folder``, if it is readable and all files of the report are there."""
    try:
        content = json.loads(_place(folder).read_text(encoding="utf-8"))
        stamp = Stamp(str(content["inputs"]), str(content["text"]), tuple(map(str, content["paths"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never made, or damaged: the report is made (again)
    return stamp if stamp.paths and all((folder / path).is_file() for path in stamp.paths) else None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Leave ``stamp`` beside the report."""
    write_text(_place(folder), json.dumps(asdict(stamp)))


def _place(folder: Path) -> Path:
    return folder / "tables" / "stamp.json"
