"""Lines one pixel wide, from shapes and from label maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Bools = npt.NDArray[np.bool_]


def boundaries(regions: npt.NDArray[Any]) -> Bools:
    """(H, W) ids of regions -> their thinned boundaries, (H, W): where the 4-neighbour Laplacian is not 0."""
    marked = ndimage.laplace(regions.astype(np.int64), mode="mirror") != 0
    return thin(marked)


def thin(shape: Bools) -> Bools:
    """Thin a binary image to lines one pixel wide (Guo and Hall 1989), until nothing changes."""
    current = shape.copy()
    while True:
        before = current.copy()
        for second in (False, True):
            current &= ~_removable(current, second)
        if np.array_equal(before, current):
            return current


def _removable(image: Bools, second: bool) -> Bools:
    """Conditions G1, G2 and G3 of one sub-iteration, for all pixels at once."""
    p = np.pad(image, 1)
    h, w = image.shape
    # x[0..7]: the neighbours east, north-east, north, ..., south-east.
    offsets = ((1, 2), (0, 2), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1), (2, 2))
    x = [p[r : r + h, c : c + w] for r, c in offsets]
    crossings = sum((~x[2 * i] & (x[2 * i + 1] | x[(2 * i + 2) % 8])).astype(int) for i in range(4))
    n1 = sum((x[2 * i] | x[2 * i + 1]).astype(int) for i in range(4))
    n2 = sum((x[2 * i + 1] | x[(2 * i + 2) % 8]).astype(int) for i in range(4))
    fewest = np.minimum(n1, n2)
    side = (x[5] | x[6] | ~x[3]) & x[4] if second else (x[1] | x[2] | ~x[7]) & x[0]
    removable: Bools = (crossings == 1) & (fewest >= 2) & (fewest <= 3) & ~side
    return removable
