"""Checkpoints under the identity of what made them: tensors and strings only, sealed, loaded with ``weights_only``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttt_bench.errors import UserError
from ttt_bench.identity import canonical
from ttt_bench.sealed import DamagedError, load_sealed, save_sealed
from ttt_bench.source.paths import checkpoint_path, partial_path

__all__ = ["checkpoint_path", "load", "load_partial", "partial_path", "save"]


def save(path: Path, spec: Any, content: dict[str, Any]) -> None:
    """Write ``content`` with the canonical form of the spec that made it, atomically."""
    save_sealed(path, {"id": spec.id, "spec": canonical(spec), **content})


def load(path: Path, spec: Any, mapped: bool = False) -> dict[str, Any]:
    """Read a checkpoint and check that it was made by ``spec``.

    Args:
        path: of the file.
        spec: what should have made it.
        mapped: leave tensors in the file until they are looked at, for readers of something else in it.

    Raises:
        UserError: the file is missing, or was made by other settings.
        DamagedError: the file is damaged; it has been set aside.
    """
    try:
        content = load_sealed(path, mapped)
    except FileNotFoundError as error:
        raise DamagedError(f"The checkpoint {path} is not there.", "Run the same command again: it is made.") from error
    if content.get("id") != spec.id:
        raise UserError(
            f"The checkpoint {path} was made by other settings than its name says.",
            "Delete it; it will be trained again.",
        )
    return content


def load_partial(path: Path, spec: Any) -> dict[str, Any] | None:
    """The saved progress of a training; None when there is none, or none that can be used."""
    if not path.exists():
        return None
    try:
        return load(path, spec)
    except DamagedError:
        return None  # set aside and said: the training starts anew
