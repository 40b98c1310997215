"""Which way the axes of stored surface normals point, found out from the depth that comes with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.pixels.planes import Pinhole, fit_normals
from ttt_bench.errors import UserError

Signs = tuple[int, int, int]
Evidence = npt.NDArray[np.float64]
"""(5, 3): the sums over pixels of f n^T, then of f f and of n n for x, y and z (see ``agreement``)."""
HEIGHT = 96
"""Maps are thinned out to about this many rows: signs need no detail."""
CLEAR = 0.3
"""A cosine below this one decides nothing."""
LIVELY = 0.15
"""Root mean square of a component below which surfaces are too much alike to tell its sign."""
ORDER_MARGIN = 0.6
"""By so much in the sum of three cosines another order of the channels must fit better to be named."""
FRAME = "x right, y up, z to the viewer"


@dataclass(frozen=True)
class Axes:
    """How stored normals become this project's."""

    signs: Signs
    """What each stored component is multiplied by."""
    origin: str
    """Measured or assumed, in words."""

    def __str__(self) -> str:
        return f"axes of the stored normals, {self.origin}: {self.signs} ({FRAME}: 1, 1, 1)"


def agreement(depth: npt.NDArray[np.float32], stored: npt.NDArray[np.float32], camera: Pinhole) -> Evidence:
    """What one frame says about its axes.

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
    return np.vstack((f @ n.T, (f * f).sum(1), (n * n).sum(1)))


def correlations(evidence: Iterable[Evidence]) -> npt.NDArray[np.float64]:
    """(3, 3) agreement in [-1, 1] of each fitted component (rows) with each stored one, over several frames."""
    total = np.sum(list(evidence), axis=0)
    scale: npt.NDArray[np.float64] = total[:3] / np.sqrt(np.maximum(np.outer(total[3], total[4]), 1e-12))
    return scale


def measure_axes(evidence: Iterable[Evidence], usual: Signs, where: str) -> Axes:
    """The signs that the depth of some frames says.

    Args:
        evidence: of at least one frame.
        usual: what is assumed of an axis that no surface tells about.
        where: the data set, for messages.

    Raises:
        UserError: the stored normals fit no convention of signs.
    """
    frames = list(evidence)
    total = np.sum(frames, axis=0)
    pixels = total[3].sum()  # unit vectors: the squares of each pixel sum to one
    if pixels < 1:
        return Axes(usual, "assumed, as no pixel has both depth and a normal")
    by_axis = correlations(frames)
    lively = np.sqrt(np.minimum(total[3], total[4]) / pixels) > LIVELY
    cosine = np.diag(by_axis)
    said = ", ".join(f"{axis} {value:+.2f}" for axis, value in zip("xyz", cosine, strict=True))
    unclear = [axis for axis, value, alive in zip("xyz", cosine, lively, strict=True) if alive and abs(value) < CLEAR]
    order = max(permutations(range(3)), key=lambda p: float(np.abs(by_axis[range(3), p]).sum()))
    other = float(np.abs(by_axis[range(3), order]).sum() - np.abs(cosine).sum()) > ORDER_MARGIN
    if unclear or other:
        better = f" They fit with the channels in the order {', '.join('RGB'[i] for i in order)}." if other else ""
        raise UserError(
            f"{where}: the stored normals fit the depth in no convention of axes (cosine by axis: {said}).{better}",
            "Store them as 2 v / 255 - 1 per channel, x first, every frame in the same frame of reference.",
        )
    told = np.abs(cosine) >= CLEAR
    x, y, z = (int(np.sign(c)) if t else u for c, t, u in zip(cosine, told, usual, strict=True))
    silent = [axis for axis, t in zip("xyz", told, strict=True) if not t]
    note = f"; {' and '.join(silent)} assumed, as no surface tells" if silent else ""
    return Axes((x, y, z), f"measured against the depth of {len(frames)} frames ({said}{note})")
