"""Surface normals from a depth map by local plane fits. Numpy only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Pinhole(NamedTuple):
    """Intrinsics in pixels, pixel centres at whole numbers."""

    fx: float
    fy: float
    cx: float
    cy: float


def fit_normals(
    depth: npt.NDArray[np.float32], camera: Pinhole, radius: int = 6, step: int = 2, tolerance: float = 0.06
) -> npt.NDArray[np.float32]:
    """Unit normals in the camera frame x right, y up, z towards the viewer.

    Over a plane, inverse depth is a linear function of the pixel's coordinates, so the fit is a linear one of
    1/z over the neighbours within ``radius`` whose depth differs by less than ``tolerance`` (falling weight),
    which keeps it from reaching over depth discontinuities.

    Args:
        depth: (H, W) metres, 0 = missing.
        camera: intrinsics of exactly this map.
        radius: half width of the window in pixels.
        step: every ``step``-th neighbour is used.
        tolerance: relative difference of depth at which a neighbour no longer counts.

    Returns:
        (3, H, W) float32; (255, 255, 255) where depth is missing or fewer than three neighbours fit.
    """
    valid = depth > 0
    inverse = np.where(valid, 1.0 / np.where(valid, depth, 1.0), 0.0)
    slope_u, slope_v, value, enough = _linear_fit(inverse, valid, radius, step, tolerance)
    height, width = depth.shape
    x = (np.arange(width)[None, :] - camera.cx) / camera.fx
    y = (np.arange(height)[:, None] - camera.cy) / camera.fy
    # n . (x, y, 1) = 1/z with n = (a, b, c) pointing away from the camera, axes right, down, forward.
    a, b = slope_u * camera.fx, slope_v * camera.fy
    normal = np.stack((-a, b, value - a * x - b * y))
    normal /= np.maximum(np.sqrt((normal**2).sum(0)), 1e-12)
    return np.where(enough & valid, normal, 255.0).astype(np.float32)


def _linear_fit(
    inverse: Floats, valid: npt.NDArray[np.bool_], radius: int, step: int, tolerance: float
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """Weighted least squares of ``inverse`` over offsets (u, v): both slopes, the value in the centre, support."""
    height, width = inverse.shape
    padded = np.pad(inverse, radius)
    padded_valid = np.pad(valid, radius).astype(np.float64)
    limit = 1.0 / np.maximum(tolerance * inverse, 1e-12)
    sums = np.zeros((9, height, width))
    count = np.zeros((height, width))
    for v in range(-radius, radius + 1, step):
        for u in range(-radius, radius + 1, step):
            window = (slice(radius + v, radius + v + height), slice(radius + u, radius + u + width))
            other = padded[window]
            distance = (other - inverse) * limit
            weight = np.maximum(1.0 - distance * distance, 0.0) * padded_valid[window]
            count += weight > 0
            by_value = weight * other
            for row, (base, factor) in enumerate(
                ((weight, 1), (weight, u), (weight, v), (weight, u * u), (weight, u * v), (weight, v * v),
                 (by_value, 1), (by_value, u), (by_value, v))
            ):  # fmt: skip
                if factor:
                    sums[row] += base * factor
    return _solve(sums, count)


def _solve(sums: Floats, count: Floats) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    total = np.maximum(sums[0], 1e-12)
    mean_u, mean_v, mean = sums[1] / total, sums[2] / total, sums[6] / total
    uu, uv, vv = sums[3] - total * mean_u**2, sums[4] - total * mean_u * mean_v, sums[5] - total * mean_v**2
    uw, vw = sums[7] - total * mean_u * mean, sums[8] - total * mean_v * mean
    determinant = uu * vv - uv * uv
    enough = (count >= 3) & (determinant > 1e-6)
    safe = np.where(enough, determinant, 1.0)
    slope_u, slope_v = (uw * vv - vw * uv) / safe, (vw * uu - uw * uv) / safe
    return slope_u, slope_v, mean - slope_u * mean_u - slope_v * mean_v, enough
