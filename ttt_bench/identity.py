"""Stable identities: equal settings give equal hashes on every machine and Python version.

Every field of a settings dataclass counts, unless its metadata is ``ASIDE``: a field that is added later is part of the
identity without another line.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

ASIDE: Mapping[str, Any] = MappingProxyType({"counts": False})
"""``field(metadata=ASIDE)``: decides no number of its own (a name for people, a path), or is counted elsewhere."""

LATER: Mapping[str, Any] = MappingProxyType({"later": True})
"""``field(default=..., metadata=LATER)``: a setting that came when results existed. It counts where it is not at its
default, which is what these were made with: they keep their identities."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as the JSON types that describe them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def counted(value: Any) -> Any:
    """Like ``plain``, but of dataclasses only what counts; one may say itself what that is, as ``counted``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if hasattr(value, "counted"):
            return value.counted()
        return {
            f.name: counted(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if counts(f) and not (f.metadata.get("later") and getattr(value, f.name) == f.default)
        }
    if isinstance(value, dict):
        return {str(k): counted(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [counted(v) for v in value]
    return value


def counts(field: dataclasses.Field[Any]) -> bool:
    """Whether a dataclass's field is part of its identity."""
    return bool(field.metadata.get("counts", True))


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, floats by their shortest round-trip form."""
    return _CANONICAL.encode(plain(value))


def identity(value: Any, length: int = 16) -> str:
    """The first ``length`` hex digits of the SHA-256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:length]
