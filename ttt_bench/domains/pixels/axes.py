"""Which way the axes of stored surface normals point, found out from the depth that comes with them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.planes import Pinhole, fit_normals

Signs = tuple[int, int, int]
HEIGHT = 96
"""Maps are thinned out to about this many rows: signs need no detail."""
CLEAR = 0.3
"""A cosine below this one decides nothing."""


def agreement(
    depth: npt.NDArray[np.float32], stored: npt.NDArray[np.float32], camera: Pinhole
) -> npt.NDArray[np.float64]:
    """(3, 3) sums over the valid pixels of f n, f f and n n for x, y and z.

    Args:
        depth: (H, W) metres, 0 = missing.
        stored: (3, H, W) unit vectors in an unknown frame, 255 = missing; f are the normals fitted to ``depth``.
        camera: intrinsics; only roughly right is enough for signs.
    """
    step = max(1, depth.shape[0] // HEIGHT)
    small = Pinhole(*(value / step for value in camera))
    fitted = fit_normals(depth[::step, ::step], small, radius=2, step=1)
    given = stored[:, ::step, ::step]
    valid = (fitted[0] != 255) & (given[0] != 255)
    f, n = fitted[:, valid].astype(np.float64), given[:, valid].astype(np.float64)
    return np.stack(((f * n).sum(1), (f * f).sum(1), (n * n).sum(1)), axis=1)


def cosines(evidence: Iterable[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """(3,) agreement of each axis in [-1, 1] over several frames."""
    total = np.sum(list(evidence), axis=0)
    cosine: npt.NDArray[np.float64] = total[:, 0] / np.sqrt(np.maximum(total[:, 1] * total[:, 2], 1e-12))
    return cosine


def signs_of(evidence: Iterable[npt.NDArray[np.float64]]) -> Signs:
    """What each stored component is multiplied by; 1 where the frames cannot tell (all surfaces alike)."""
    x, y, z = (-1 if cosine < -CLEAR else 1 for cosine in cosines(evidence))
    return x, y, z
