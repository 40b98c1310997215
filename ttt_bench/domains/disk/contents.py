"""What files hold, as hashes: each file is read once and remembered until anything about it changes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ttt_bench.domains.pixels.opening import look_at, open_file
from ttt_bench.errors import UserError
from ttt_bench.files import sha256_of, write_text
from ttt_bench.identity import identity

Marks = tuple[int, int, int, int]
"""Size, times of the last change of content and of anything, and number (inode) of a file."""
HEAD = "ttt_bench contents 1"
UNSETTLED_SECONDS = 2.0
"""A file that changed so lately may change again without its times telling (they tick coarsely); it is read again."""
MANY = 20_000
THREADS = 8
log = logging.getLogger(__name__)


def hash_files(
    root: Path, names: Iterable[str], by: Callable[[Path], str] | None = None, what: str = ""
) -> dict[str, str]:
    """Name -> SHA-256 of its contents.

    Args:
        root: the folder that the names start from.
        names: relative paths with ``/``.
        by: what makes another hash of a file, a word without blanks, instead of one of all its bytes.
        what: names ``by``; its hashes are remembered apart.

    Raises:
        FileError: a file is missing or cannot be read.
    """
    memory = _memory_of(root, what)
    known = _remembered(memory)
    marks = {name: _marks(root / name) for name in names}
    hashes = {name: known[name][1] for name, mark in marks.items() if name in known and known[name][0] == mark}
    new = [name for name in marks if name not in hashes]
    if len(new) > MANY:
        log.warning("Hashing %d files below %s, once; --trust-names does without.", len(new), root)
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        hashes.update(zip(new, pool.map(lambda name: (by or _hash)(root / name), new), strict=True))
    if new:
        _remember(memory, {**known, **{name: (mark, hashes[name]) for name, mark in marks.items()}})
    return {name: hashes[name] for name in marks}


def name_files(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> size of the file in words, in place of its contents: what ``--trust-names`` compares."""
    return {name: f"{look_at(root / name).st_size} bytes" for name in names}


def _marks(path: Path) -> Marks:
    found = look_at(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _hash(path: Path) -> str:
    with open_file(path) as file:
        return sha256_of(file)


def memory_folder() -> Path | None:
    """Where hashes are remembered; None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - raises no error
    return Path(base) / "ttt_bench" / "contents" if Path(base).is_absolute() else None


def _memory_of(root: Path, what: str) -> Path | None:
    folder = memory_folder()
    return None if folder is None else folder / f"{identity(os.path.realpath(root))}{what}.txt"


def _remembered(memory: Path | None) -> dict[str, tuple[Marks, str]]:
    """What was hashed before; nothing if that cannot be read, since it can be found out again."""
    if memory is None:
        return {}
    found: dict[str, tuple[Marks, str]] = {}
    try:
        with open_file(memory) as file:
            head, *lines = file.read().decode().split("\n")
        if head != HEAD:
            return {}
        for line in lines:
            size, changed, touched, inode, digest, name = line.split(" ", 5)
            found[name] = (int(size), int(changed), int(touched), int(inode)), digest
    except (UserError, OSError, ValueError):
        return {}
    return found


def _remember(memory: Path | None, known: dict[str, tuple[Marks, str]]) -> None:
    if memory is None:
        return
    settled = (time.time() - UNSETTLED_SECONDS) * 1e9
    lines = [
        " ".join((*map(str, mark), digest, name))
        for name, (mark, digest) in known.items()
        if max(mark[1], mark[2]) < settled and "\n" not in name
    ]
    if not lines:
        return
    try:
        write_text(memory, "\n".join([HEAD, *lines]))
    except UserError as error:
        log.info("Hashes of files are not remembered: %s", error.message)
