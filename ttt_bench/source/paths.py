"""Where checkpoints lie. No torch, so that a plan can ask what is there."""

from __future__ import annotations

from pathlib import Path


def checkpoint_path(cache: Path, id: str) -> Path:
    """Where the finished checkpoint ``id`` lies below ``cache``."""
    return cache / "checkpoints" / f"{id}.pt"


def partial_path(cache: Path, id: str) -> Path:
    """Where the training of ``id`` saves its progress."""
    return cache / "checkpoints" / f"{id}.partial.pt"
