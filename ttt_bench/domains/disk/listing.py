"""What the checklists of several data sets have in common: images that lists name, and what pixels may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ttt_bench.domains.disk.checking import Item, Problem
from ttt_bench.domains.pixels.files import Array, list_files, read_array, read_names
from ttt_bench.errors import UserError


def pixels(modes: tuple[str, ...]) -> Callable[[Path], Array]:
    """What reads an image file of one of ``modes``."""
    return lambda path: read_array(path, modes)


def ids_up_to(largest: int, void: int | None = None) -> Callable[[Array], str]:
    """What finds ids above ``largest`` other than ``void``."""

    def fault(values: Array) -> str:
        unknown = np.unique(values[(values > largest) & (values != (largest if void is None else void))])
        return f"ids {', '.join(map(str, unknown[:8]))} (the largest is {largest})" if unknown.size else ""

    return fault


def named_items(
    root: Path, lists: str, folders: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
) -> tuple[tuple[Item, ...], tuple[Problem, ...]]:
    """One item for each name in train.txt and val.txt."""
    problems: list[Problem] = []
    places: dict[str, dict[str, Path]] = {}
    for kind, (choices, suffixes) in folders.items():
        places[kind] = {}
        for choice in choices:
            if (root / choice).is_dir():
                for stem, file in list_files(root / choice, suffixes).items():
                    places[kind].setdefault(stem, root / choice / file.name)
        if not places[kind]:
            problems.append(Problem("missing", f"{root / choices[0]} has no {suffixes[0]} files"))
    items = []
    for split in ("train", "val"):
        try:
            names = read_names(root / lists / f"{split}.txt")
        except UserError as error:
            problems.append(Problem("unreadable", error.message))
            continue
        for name in names:
            files = {
                kind: places[kind].get(name, root / choices[0] / f"{name}{suffixes[0]}")
                for kind, (choices, suffixes) in folders.items()
            }
            items.append(Item(split, name, files.__getitem__))
    return tuple(items), tuple(problems)
