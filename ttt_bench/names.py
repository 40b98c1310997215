"""Names that come from data, as file names that stay in their folder and as text that no terminal acts on; counts."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MOST_BYTES = 143
"""Longest file name that encrypted homes (eCryptfs) allow; other file systems take 255."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def file_name(parts: Iterable[str], most: int = MOST_BYTES) -> str:
    """A file name from text that may hold anything: one component, harmless characters, at most 143 bytes.

    Equal parts give equal names. Where something had to be replaced that could make two different texts alike, or the
    name had to be cut, a hash of the whole tells them apart.

    Args:
        parts: joined by underscores; empty ones are left out.
        most: bytes; fewer where a prefix or an ending will be added.
    """
    given = [part for part in parts if part]
    kept = "_".join(_harmless(part) for part in given)
    lossy = any(_lossy(part) for part in given) or _RESERVED.fullmatch(kept) is not None or not kept.strip("._")
    if lossy:
        kept = f"{kept.lstrip('.')}-{_hash(given)}"
    return cut(kept, most, _hash(given))


def file_names(all_parts: Iterable[Iterable[str]], most: int = MOST_BYTES) -> list[str]:
    """``file_name`` of each, and a hash more where two would be one file, also where case does not count."""
    given = [tuple(parts) for parts in all_parts]
    names = [file_name(parts, most) for parts in given]
    seen = Counter(name.casefold() for name in names)
    return [
        cut(f"{name}-{_hash(parts)}", most, _hash(parts)) if seen[name.casefold()] > 1 else name
        for name, parts in zip(names, given, strict=True)
    ]


def cut(name: str, most: int, hashed: str = "") -> str:
    """``name`` if it has at most ``most`` bytes, else its beginning and a hash of the whole."""
    if len(name.encode(errors="backslashreplace")) <= most:
        return name
    tail = "-" + (hashed or _hash([name]))
    kept = name.encode(errors="backslashreplace")[: most - len(tail)].decode(errors="ignore")
    return kept + tail


def shown(text: object) -> str:
    """Text from data as one harmless line: control characters, line breaks and direction marks become escapes."""
    said = str(text)
    # All of almost every text can be printed, and then nothing in it acts: a report asks for a quarter of a million.
    return said if said.isprintable() else "".join(_escaped(c) if _acts(c) or c in "\n\r\t" else c for c in said)


def printable(text: str) -> str:
    """Text for a terminal, line breaks kept: whatever a terminal would act on becomes an escape."""
    return "".join(_escaped(c) if _acts(c) and c not in "\n\t" else c for c in text)


def _acts(character: str) -> bool:
    # Cc: control; Cf: format (direction marks, zero width); Cs: half a surrogate pair; Zl, Zp: line separators.
    return not character.isprintable() and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _harmless(part: str) -> str:
    # Pairs and sizes read best with these two written out; everything else that is not a letter or digit of ASCII,
    # or one of three signs, becomes an underscore.
    readable = part.replace("->", "-to-")
    return "".join(c if c.isascii() and (c.isalnum() or c in "-+.") else "_" for c in readable)


def _lossy(part: str) -> bool:
    unusual = re.sub(r"->|[a-z0-9A-Z\-+.:/_,=()% ]", "", part)
    return bool(unusual) or ".." in part or part.startswith(".") or part.endswith(".")


def _hash(parts: Iterable[str]) -> str:
    joined = "\0".join(parts)
    return hashlib.sha256(joined.encode(errors="backslashreplace")).hexdigest()[:10]


def pieces(count: int) -> str:
    """``1 piece of work``, ``3 pieces of work``: cells, and what they need."""
    return f"{count} {'piece' if count == 1 else 'pieces'} of work"
