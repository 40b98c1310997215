"""Which images of ``folder`` are for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from ttt_bench.domains.contract import SPLITS, Split
from ttt_bench.domains.folder.description import Splits
from ttt_bench.domains.pixels.opening import FileError, read_text

T = TypeVar("T")


def in_ten(items: Sequence[T]) -> dict[Split, list[T]]:
    """Of every ten images eight for training, the first for validation and the sixth for test."""
    return {
        "train": [item for i, item in enumerate(items) if i % 10 not in (0, 5)],
        "val": list(items[::10]),
        "test": list(items[5::10]),
    }


def listed_splits(root: Path, splits: Splits) -> dict[Split, list[str]] | None:
    """Names of images by split, from the files that the description names; None where it names none.

    Raises:
        UserError: a list is missing or empty, or an image is in two of them.
    """
    files = {split: getattr(splits, split) for split in SPLITS if getattr(splits, split)}
    if not files:
        return None
    found: dict[Split, list[str]] = {}
    place: dict[str, Split] = {}
    for split, file in files.items():
        lines = read_text(root / file, "It names one image per line.").splitlines()
        found[split] = [line.strip() for line in lines if line.strip()]
        if not found[split]:
            raise FileError(f"{root / file} names no image.", "It names one image per line.")
        for name in found[split]:
            if name in place:
                raise FileError(f"{root / file}: {name!r} is listed twice ({place[name]}, {split}).", "Remove one.")
            place[name] = split
    return found
