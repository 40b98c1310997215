"""Tensors and numbers on disk under a SHA-256 of the whole file, so that no damage is read as numbers.

The digest stands in the file itself, as the comment of the ZIP archive that torch writes, or as a key of a JSON
object: there is one file to rename, and every ZIP or JSON reader still opens it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.files import read_object, write_atomically, write_json

log = logging.getLogger(__name__)

DIGEST = "sha256"
DIGEST_BYTES = 64
CHUNK = 1 << 20


class DamagedError(UserError):
    """A file is not what was written. It has been set aside: whatever makes it will make it again."""


def save_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically, with their digest.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    import torch

    buffer = io.BytesIO()  # torch would write to a full disk without saying that it is full
    torch.save(content, buffer)
    buffer.seek(-2, io.SEEK_END)
    buffer.write(DIGEST_BYTES.to_bytes(2, "little"))  # the length of the archive's comment, its last field
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest().encode()
    buffer.write(digest)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def load_sealed(path: Path, mapped: bool = False) -> dict[str, Any]:
    """Read what ``save_sealed`` wrote; nothing but tensors and plain values is ever unpickled.

    Args:
        path: of the file.
        mapped: leave tensors in the file until they are looked at, for readers of something else in it.

    Raises:
        DamagedError: the file is damaged or was written by something else; it has been set aside.
    """
    import torch

    if not is_intact(path):
        raise _aside(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch raises several kinds for files that hold more than tensors
        raise _aside(path) from error
    if not isinstance(content, dict):
        raise _aside(path)
    return content


def is_intact(path: Path) -> bool:
    """Whether the file's bytes are those that were written."""
    sha = hashlib.sha256()
    left = path.stat().st_size - DIGEST_BYTES
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            sha.update(chunk)
            left -= len(chunk)
        return file.read() == sha.hexdigest().encode()


def save_sealed_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object atomically, with its digest.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    plain = json.loads(json.dumps(content))  # as it will be read: texts as keys, lists for tuples
    write_json(path, {**plain, DIGEST: _digest_of(plain)})


def load_sealed_json(path: Path) -> dict[str, Any]:
    """Read what ``save_sealed_json`` wrote, without the digest.

    Raises:
        UserError: the file is missing or damaged, or was written by something else.
    """
    content = read_object(path)
    digest = content.pop(DIGEST, None)
    if digest != _digest_of(content):
        raise UserError(f"{path} is damaged: its SHA-256 does not fit.", "Run the same command again: it is made anew.")
    return content


def is_intact_json(path: Path) -> bool:
    """Whether the file is there and what was written."""
    try:
        load_sealed_json(path)
    except UserError:
        return False
    return True


def _digest_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode(errors="backslashreplace")).hexdigest()


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way, say so, and return where it went."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    log.warning("%s is damaged: its SHA-256 does not fit. It is now %s, and is made again.", path, aside.name)
    return aside


def _aside(path: Path) -> DamagedError:
    aside = set_aside(path)
    return DamagedError(
        f"{path} is damaged: its SHA-256 does not fit. It was set aside as {aside.name}.",
        "Run the same command again: it is made anew.",
    )
