"""Decoded samples of a build that could not be finished: kept by what decides each, for whatever build comes next.

When a damaged file is replaced or left out, the set is another one, with another fingerprint and other places; each
of its samples is known again by its own key (``Domain.sample_key``).
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.contract import Domain, Split
from ttt_bench.errors import UserError
from ttt_bench.files import file_digest, read_object, write_json

SUFFIX = ".part"
KEYS = "keys.json"
FORGOTTEN_SECONDS = 7 * 24 * 3600.0
"""Nobody comes back for what is older."""
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Part:
    """A folder of arrays of which some rows were decoded."""

    folder: Path
    rows: dict[str, int]
    """Key of a sample -> its row."""
    arrays: Arrays


def keep(draft: Path, folder: Path, domain: Domain, split: Split, decoded: Iterable[int]) -> int:
    """Keep the rows ``decoded`` of an unfinished build.

    Args:
        draft: where its arrays are.
        folder: where they would have gone.
        domain: what was decoded.
        split: of it.
        decoded: rows that are whole.

    Returns:
        How many can be found again.
    """
    rows = {key: row for row in decoded if (key := domain.sample_key(split, row))}
    if not rows:
        return 0
    sums = {path.stem: file_digest(path) for path in sorted(draft.glob("*.npy"))}
    write_json(draft / KEYS, {"rows": rows, "sha256": sums})
    place = folder.with_name(folder.name + SUFFIX)
    shutil.rmtree(place, ignore_errors=True)
    draft.rename(place)
    return len(rows)


def take_over(arrays: Arrays, parent: Path, domain: Domain, split: Split) -> tuple[set[int], list[Path]]:
    """Copy into ``arrays`` what earlier builds below ``parent`` have decoded of the same samples.

    Returns:
        The rows that are filled, and the parts that they came from, which are of no more use once these are published.
    """
    count = len(next(iter(arrays.values())))
    filled: set[int] = set()
    used = []
    keys: list[str] = []
    for part in _parts(parent, arrays):
        keys = keys or [domain.sample_key(split, index) for index in range(count)]
        rows = {index: part.rows[key] for index, key in enumerate(keys) if key in part.rows and index not in filled}
        for name, array in arrays.items():
            for index, row in rows.items():
                array[index] = part.arrays[name][row]
        filled |= rows.keys()
        used += [part.folder] if rows else []
    return filled, used


def forget(parts: Iterable[Path]) -> None:
    """Remove parts."""
    for part in parts:
        shutil.rmtree(part, ignore_errors=True)


def forget_old(parent: Path) -> None:
    """Remove parts that nobody has come back for."""
    for part in parent.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > FORGOTTEN_SECONDS:
                shutil.rmtree(part, ignore_errors=True)


def _parts(parent: Path, like: Arrays) -> Iterator[Part]:
    """Parts whose arrays have the same fields and are what was written."""
    for folder in sorted(parent.glob(f"*{SUFFIX}")):
        try:
            about = read_object(folder / KEYS)
            rows, sums = about["rows"], about["sha256"]
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in like}
            same = all(a.shape[1:] == like[n].shape[1:] and a.dtype == like[n].dtype for n, a in arrays.items())
            if same and all(sums[name] == file_digest(folder / f"{name}.npy") for name in like):
                count = len(next(iter(arrays.values())))
                yield Part(folder, {key: row for key, row in rows.items() if row in range(count)}, arrays)
        except (UserError, OSError, ValueError, EOFError, LookupError, TypeError, AttributeError):
            continue  # it was kept to save time; what it is not trusted with is decoded again
