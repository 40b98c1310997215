"""Files: written so that a kill at any moment leaves the old one or the new one, read as if nobody could be trusted."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO

from ttt_bench.errors import UserError
from ttt_bench.names import cut
from ttt_bench.owner import Owner

MOST_JSON = 64 * 2**20
"""Bytes of the largest JSON file that is read; what this project writes stays far below."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM)
_STOP_AFTER = 24 * 3600.0
"""Seconds after which a temporary file of an owner that nobody here can ask about is taken for left over."""


class UnwritableError(UserError):
    """A file cannot be written where it should be; a command may know a better hint than the general one."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call ``write`` on a temporary file beside ``path``, fsync it and rename it over ``path``.

    The file gets the permissions that the umask (or the folder's default ACL) gives to new files.

    Args:
        path: where the file goes; its folder is made when missing.
        write: receives a binary file object.

    Raises:
        UnwritableError: the disk or quota is full, or the folder cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = _NotingFile(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | _CLOSE_ON_EXEC, 0o666))
    except OSError as error:
        raise explained(error, path) from error
    try:
        with raw, io.BufferedRandom(raw) as file:
            write(file)
            file.flush()
            _sync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        # Libraries that write through their own code (torch, pyarrow) say something else of a full disk.
        cause = raw.problem or error
        if isinstance(cause, OSError):
            raise explained(cause, path, raw.reached) from error
        raise


class _NotingFile(io.FileIO):
    """A file that remembers why a write failed, and how far it got."""

    problem: OSError | None = None
    reached = 0

    def __init__(self, handle: int) -> None:
        super().__init__(handle, "r+b")

    def write(self, content: Any, /) -> int:
        position = self.tell()
        self.reached = max(self.reached, position + memoryview(content).nbytes)
        try:
            return super().write(content) or 0
        except OSError as error:
            self.problem = self.problem or error
            raise


_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        # Some mounts know no fsync; what they promise without it has to do.
        if error.errno not in _UNSUPPORTED:
            raise


def temporary_beside(path: Path) -> Path:
    """A name in the folder of ``path`` that no other writer uses and that tells whose it is."""
    owner = Owner.here().token
    return path.with_name(f".{cut(path.name, 60)}.{owner}.{uuid.uuid4().hex[:8]}.tmp")


def remove_leftovers(folders: Iterable[Path]) -> list[Path]:
    """Remove what killed writers left in ``folders`` (not below them): temporary files whose owner is dead.

    Returns:
        The files removed.
    """
    removed = []
    for folder in folders:
        try:
            paths = [path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith(".tmp")]
        except OSError:
            continue  # not there, or closed to us: nothing of ours can be in it
        for path in paths:
            with contextlib.suppress(OSError):
                if _left_over(path, folder):
                    path.unlink()
                    removed.append(path)
    return removed


def _left_over(path: Path, folder: Path) -> bool:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False
    owner = Owner.of_token(path.name.split(".")[-3]) if path.name.count(".") >= 3 else None
    dead = owner.dead if owner is not None else None
    return clock_of(folder) - found.st_mtime > _STOP_AFTER if dead is None else dead


def clock_of(folder: Path) -> float:
    """The present time as the file system of ``folder`` stamps files, for comparison with the times of other files.

    A server's clock and this machine's may differ by minutes. Where nothing can be written this machine's will do.
    """
    import tempfile
    import time

    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b".")
            file.flush()
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically; what UTF-8 cannot hold (half a surrogate pair) is written as an escape."""
    write_atomically(path, lambda file: file.write(text.encode(errors="backslashreplace")))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file for reading in binary, never waiting: a pipe, device or folder is refused.

    Raises:
        UserError: it is not an ordinary file.
        OSError: it is not there, or cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _CLOSE_ON_EXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UserError(f"{path} is not an ordinary file.", "Move it away; results are read from files only.")
        return open(handle, "rb")  # noqa: PTH123 - a handle has no path, and the caller closes it
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(handle)
        raise


def read_text(path: Path, most: int = MOST_JSON) -> str:
    """The text of an ordinary file.

    Raises:
        UserError: it is missing, no ordinary file, cannot be read, is too large, or is not UTF-8.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise UserError(f"{path} is larger than {amount(most)}.", "It was not written by this project; move it away.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file ({error}).", "Delete it and run again.") from error


def read_json(path: Path) -> Any:
    """Read JSON written by this project or by hand.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        what = "it nests too deep" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"{path} is not readable as JSON ({what}).", "Delete it and run again.") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UserError: the file is missing, is not JSON, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object.", "Delete it and run again.")
    return content


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of what is left to read of an open file, in hexadecimal digits."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return sha256_of(file)
    except OSError:
        return ""


def amount(size: float) -> str:
    """Bytes for people, in the unit that suits them: ``3 bytes``, ``9.7 MB``, ``1.2 TB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 99.5 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def explained(error: OSError, path: Path, needed: int = 0) -> UnwritableError:
    """Why ``path`` could not be written, for the user; with the free space where that is the reason."""
    if error.errno in _FULL:
        free = _free(path)
        wanted = f"more than {amount(needed)} needed, " if needed else ""
        left = "" if free is None else f"{amount(free)} free"
        reason = "Your quota is used up" if error.errno == errno.EDQUOT else "No space left on device"
        return UnwritableError(
            f"{reason}: the disk is full, {path} could not be written ({wanted}{left}).",
            "Free some space and run the same command again; everything finished so far is kept.",
        )
    return UnwritableError(
        f"{path} could not be written: {error.strerror or error}.",
        "Choose a folder that you may write: --out for results, --cache for decoded data and checkpoints.",
    )


def _free(path: Path) -> int | None:
    for folder in path.absolute().parents:
        with contextlib.suppress(OSError):
            return shutil.disk_usage(folder).free
    return None
