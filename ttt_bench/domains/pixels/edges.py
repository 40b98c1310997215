"""Turning "these two neighbours differ" into thin edge maps, the same way in every domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Window = tuple[slice, slice]


def edge_map(depth: npt.NDArray[Any], differ: Callable[[Window, Window], Bools]) -> Bools:
    """(H, W) edge pixels: of two neighbours that differ only the nearer one is marked, then thinned.

    Args:
        depth: (H, W), decides which of two neighbours lies in front.
        differ: given the windows of all pixels and of their neighbours, where an edge runs between the two.
    """
    marked = np.zeros(depth.shape, bool)
    every, first, rest = slice(None), slice(None, -1), slice(1, None)
    for a, b in (((first, every), (rest, every)), ((every, first), (every, rest))):
        edge = differ(a, b)
        a_nearer = depth[a] <= depth[b]
        marked[a] |= edge & a_nearer
        marked[b] |= edge & ~a_nearer
    return without_corners(marked)


def without_corners(marked: Bools) -> Bools:
    """Staircases lose the pixel at each inner corner; lines stay connected over the diagonal."""
    padded = np.pad(marked, 1)
    thin = padded[1:-1, 1:-1]
    up, down = padded[:-2, 1:-1], padded[2:, 1:-1]
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    for one, two, not_one, not_two in (
        (up, right, down, left), (down, left, up, right), (up, left, down, right), (down, right, up, left),
    ):  # fmt: skip
        thin &= ~(one & two & ~not_one & ~not_two)
    return thin.copy()
