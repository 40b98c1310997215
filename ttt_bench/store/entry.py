"""The bytes of one small entry of an archive, unpacked in one call.

A report reads tens of thousands of such entries. ``zipfile``'s stream is made for large ones, and the standard
library's zlib takes five times as long as zlib-ng. In place of both, this lets a report read and reduce a cell in 1.7
ms instead of 2.9. As in ``zipfile``, name, length and checksum must be those of the directory.
"""

from __future__ import annotations

import struct
import zipfile
from typing import IO, cast

from zlib_ng import zlib_ng as zlib

_LOCAL = struct.Struct("<4s2xH18xHH")
"""Of the header before an entry: signature, flags, and the lengths of its name and of its extra field."""
_UTF8 = 0x800
_RAW = -15
"""The window of a deflate stream without a header of its own."""
_DAMAGE = (struct.error, cast(type[Exception], zlib.error))
"""What reading damaged bytes raises; the library's own declaration of its error is no class."""


def unpacked(file: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    """The content of ``entry``, stored or deflated, at most as long as the archive's directory says.

    Args:
        file: the archive, open; is left anywhere.
        entry: of its directory.

    Raises:
        ValueError: the archive does not hold what its directory says, or it is damaged.
    """
    try:
        content = _content(file, entry)
    except _DAMAGE as error:
        raise ValueError(f"{entry.filename}: {error}") from error
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise ValueError(f"{entry.filename} is not what was stored")
    return content


def _content(file: IO[bytes], entry: zipfile.ZipInfo) -> bytes:
    file.seek(entry.header_offset)
    signature, flags, of_name, of_extra = _LOCAL.unpack(file.read(_LOCAL.size))
    name = file.read(of_name).decode("utf-8" if flags & _UTF8 else "cp437")
    if signature != b"PK\x03\x04" or name != entry.orig_filename:
        raise ValueError(f"where {entry.filename} should be is something else")
    file.seek(of_extra, 1)
    packed = file.read(entry.compress_size)
    if entry.compress_type != zipfile.ZIP_DEFLATED:
        return packed
    # One byte more than it should have is enough to see that it has too many.
    return zlib.decompressobj(_RAW).decompress(packed, entry.file_size + 1)
