"""Where torch keeps downloaded weights, and whether a download is whole. No torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ttt_bench.files import sha256_of


def weights_folder() -> Path:
    """Where torch keeps downloaded weights, by its own rules."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or f"{cache}/torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def is_broken(path: Path) -> bool:
    """Whether a downloaded file is not what its name says: ``NAME-HASH.pth`` ends with the hash's first digits.

    An interrupted download, a full disk or a proxy's error page leave such files; torch checks the hash only while it
    downloads.
    """
    named = re.search(r"-([0-9a-f]{8,})\.\w+$", path.name)
    if named is None:
        return False
    with path.open("rb") as file:
        return not sha256_of(file).startswith(named[1])
