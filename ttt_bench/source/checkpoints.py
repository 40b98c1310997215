"""Checkpoints under the identity of what made them: tensors and strings only, loaded with ``weights_only``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ttt_bench.errors import UserError
from ttt_bench.files import write_atomically
from ttt_bench.identity import canonical
from ttt_bench.source.paths import checkpoint_path, partial_path

__all__ = ["checkpoint_path", "load", "partial_path", "save"]


def save(path: Path, spec: Any, content: dict[str, Any]) -> None:
    """Write ``content`` with the canonical form of the spec that made it, atomically."""
    payload = {"id": spec.id, "spec": canonical(spec), **content}
    write_atomically(path, lambda file: torch.save(payload, file))


def load(path: Path, spec: Any, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint and check that it was made by ``spec``.

    Args:
        path: of the file.
        spec: what should have made it.
        mapped: leave tensors in the file until they are looked at, for readers of something else in it.

    Raises:
        UserError: the file is damaged, unsafe, or was made by other settings.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch raises several kinds for damaged or unsafe files
        raise UserError(
            f"The checkpoint {path} cannot be read: {error}.", "Delete it; it will be trained again."
        ) from error
    if not isinstance(content, dict) or content.get("id") != spec.id:
        raise UserError(
            f"The checkpoint {path} was made by other settings than its name says.",
            "Delete it; it will be trained again.",
        )
    return content
