"""Opening files of a data set: regular files only, never waiting, one message for each thing that can be wrong."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal

from ttt_bench.errors import UserError

FaultKind = Literal["missing", "unreadable", "wrong size", "out of range"]
TEXT_BYTES = 64 * 2**20
"""No list of images is longer."""
_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


class FileError(UserError):
    """Something that is wrong with one file of a data set."""

    def __init__(self, message: str, hint: str = "", kind: FaultKind = "unreadable") -> None:
        super().__init__(message, hint)
        self.kind: FaultKind = kind

    def __reduce__(self) -> tuple[type[FileError], tuple[str, str, FaultKind]]:  # type: ignore[override]
        return type(self), (self.message, self.hint, self.kind)


def look_at(path: Path) -> os.stat_result:
    """What the system knows of a regular file, links followed.

    Raises:
        FileError: it is not there, a link leads nowhere, it may not be read, or it is no file (a pipe, a device).
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise explained(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        what = next((words for test, words in _KINDS if test(found.st_mode)), "something else")
        raise FileError(f"{path} is {what}, not a file.", "Put the original file there.")
    return found


def open_file(path: Path) -> BinaryIO:
    """A regular file for reading.

    Raises:
        FileError: as ``look_at``.
    """
    look_at(path)
    try:
        # Should a pipe take the file's place just now, opening it still does not wait.
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise explained(path, error) from error


def read_text(path: Path, hint: str) -> str:
    """A text file in UTF-8, or in what its byte-order mark says.

    Args:
        path: the file.
        hint: what it should hold.

    Raises:
        FileError: it cannot be opened or is not text.
    """
    with open_file(path) as file:
        data = file.read(TEXT_BYTES + 1)
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        if len(data) > TEXT_BYTES:
            raise ValueError("it is too long")
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except ValueError as error:
        raise FileError(f"{path} cannot be read as text: {error}.", hint) from error


def explained(path: Path, error: OSError | ValueError) -> FileError:
    """Why ``path`` cannot be reached, and what to do."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        if path.is_symlink():
            return FileError(
                f"{path} is a link to {os.readlink(path)}, which is not there.",  # noqa: PTH115 - as it is written
                "Bring the file that it points to (git annex get, dvc pull), or copy the file itself.", "missing",
            )  # fmt: skip
        return FileError(f"{path} does not exist.", "Complete the copy of the data.", "missing")
    if number == errno.ELOOP:
        return FileError(f"{path} is a link that leads back to itself.", "Copy the file itself.", "missing")
    if number in (errno.EACCES, errno.EPERM):
        return FileError(f"{path} may not be read: permission denied.", "Ask its owner to let you read it.")
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return FileError(f"{path} cannot be read: {reason}.", "Copy the file again.")


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder as far as this user may know; never raises, as ``Path.is_dir`` may."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on closed folders up to Python 3.13


def is_file(path: Path) -> bool:
    """Likewise for a regular file."""
    return os.path.isfile(path)  # noqa: PTH113 - as above


def exists(path: Path) -> bool:
    """Likewise for anything."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def subfolders(folder: Path) -> list[Path]:
    """The folders in ``folder`` by name, closed ones and hidden ones left out.

    Raises:
        FileError: ``folder`` itself cannot be listed.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - one open for all names
    except OSError as error:
        raise not_listed(folder, error) from error
    return [
        folder / name
        for name in names
        if not name.startswith(".") and is_folder(folder / name) and os.access(folder / name, os.R_OK | os.X_OK)
    ]


def not_listed(folder: Path, error: OSError) -> FileError:
    """Why a folder cannot be listed."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return FileError(f"{folder} may not be entered: permission denied.", "Ask its owner to let you read it.")
    return FileError(f"{folder} cannot be listed: {error.strerror}.", "Complete the copy of the data.", "missing")
