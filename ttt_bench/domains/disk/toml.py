"""Reading TOML files that users write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ttt_bench.domains.pixels.opening import read_text
from ttt_bench.errors import UserError


def read_toml(path: Path, hint: str) -> dict[str, Any]:
    """The content of a TOML file.

    Args:
        path: the file.
        hint: what it should hold.

    Raises:
        UserError: it cannot be read or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(read_text(path, hint))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}.", hint) from error
