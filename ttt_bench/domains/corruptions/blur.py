"""Blur: out of focus, frosted glass, motion, zoom, Gaussian."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from ttt_bench.domains.corruptions.recipe import Floats, Levels, Recipe, Rng, levels, unit, whole_levels

LARGEST_SMALL_RADIUS = 8
"""Up to here a disc lies on a fixed grid of 17x17 and its rim is softened by 3x3 pixels, above by 5x5."""
MOTION_ANGLE = 45


def gaussian(image: Floats, sigma: float) -> Floats:
    """(H, W) or (H, W, C), edge values repeated, cut at four sigma."""
    sigmas = (sigma, sigma, 0)[: image.ndim]
    result: Floats = ndimage.gaussian_filter(image, sigmas, mode="nearest", truncate=4)
    return result


def disc(radius: float, soften: float) -> Floats:
    """Kernel (k, k): a disc on whole pixels that sums to 1, its rim softened. At radius 10 that adds a little."""
    small = radius <= LARGEST_SMALL_RADIUS
    line = np.arange(-LARGEST_SMALL_RADIUS, LARGEST_SMALL_RADIUS + 1) if small else np.arange(-radius, radius + 1)
    kernel = (line[:, None] ** 2 + line[None, :] ** 2 <= radius**2).astype(np.float64)
    reach = np.arange(-1, 2) if small else np.arange(-2, 3)
    weights = np.exp(-(reach**2) / (2 * soften**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        kernel = ndimage.correlate1d(kernel, weights / weights.sum(), axis, mode="mirror")
    return kernel


def defocus(image: Levels, parameters: tuple[float, float], draws: None) -> Floats:
    """Convolution with a soft disc."""
    kernel = disc(*parameters)
    reach = kernel.shape[0] // 2
    padded = np.pad(unit(image), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    return levels(signal.fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1)))


def look_through_glass(image: Levels, parameters: tuple[float, int, int], shifts: Floats) -> Floats:
    """Blur, rounds in which pixels take a neighbour's value, blur.

    Args:
        image: (H, W, 3).
        parameters: sigma, largest displacement d, rounds.
        shifts: (rounds, H - 2 d, W - 2 d, 2), (columns, rows) from -d to d - 1 in the order of visits: from the last
            row and column backwards. The published code means to swap two pixels; it copies one, and pixels that are
            visited later see what was copied before.
    """
    sigma, reach, _ = parameters
    height, width = image.shape[:2]
    blurred = whole_levels(levels(gaussian(unit(image), sigma)))
    rows, columns = (np.arange(n - reach, reach, -1) for n in (height, width))
    places = (rows[:, None] * width + columns[None, :]).ravel().tolist()
    sources = list(range(height * width))
    for shift in shifts.astype(np.int64):
        neighbours = (shift[..., 1] * width + shift[..., 0]).ravel().tolist()
        for place, step in zip(places, neighbours, strict=True):
            sources[place] = sources[place + step]
    moved = blurred.reshape(-1, image.shape[-1])[sources].reshape(image.shape)
    return levels(gaussian(unit(moved), sigma))


def draw_shifts(image: Levels, parameters: tuple[float, int, int], rng: Rng) -> Floats:
    """Displacements, the upper end excluded; none where the image is too small for any."""
    _, reach, rounds = parameters
    height, width = (max(0, n - 2 * reach) for n in image.shape[:2])
    return rng.integers(-reach, reach, (rounds, height, width, 2))


def smear(image: Floats, radius: float, sigma: float, degrees: float) -> Floats:
    """ImageMagick's motion blur of whole grey levels (H, W) or (H, W, C): half a Gaussian along a line.

    Steps along the line are whole pixels; the result is in whole levels.
    """
    height, width = image.shape[:2]
    steps = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    across, down = (np.ceil(steps * f(np.radians(degrees)) - 0.5).astype(int) for f in (np.cos, np.sin))
    total = np.zeros(image.shape, np.float64)
    for x, y, weight in zip(across, down, weights / weights.sum(), strict=True):
        rows = np.clip(np.arange(height) + y, 0, height - 1)
        columns = np.clip(np.arange(width) + x, 0, width - 1)
        total += weight * image[rows[:, None], columns[None, :]]
    result: Floats = np.clip(np.floor(total + 1 / 512), 0, 255)
    return result


def move(image: Levels, parameters: tuple[float, float], degrees: float) -> Floats:
    """Smear along a line."""
    return smear(image, *parameters, float(degrees))


def draw_angle(image: Levels, parameters: tuple[float, float], rng: Rng) -> float:
    """Within 45 degrees of the horizontal."""
    return rng.uniform(-MOTION_ANGLE, MOTION_ANGLE)


def zoomed(image: Floats, factor: float) -> Floats:
    """(H, W) or (H, W, C) enlarged about its centre, from a crop of whole pixels: many factors change nothing."""
    height, width = image.shape[:2]
    crop = [int(np.ceil(n / factor)) for n in (height, width)]
    top, left = ((n - c) // 2 for n, c in zip((height, width), crop, strict=True))
    factors = (factor, factor, 1)[: image.ndim]
    large = ndimage.zoom(image[top : top + crop[0], left : left + crop[1]], factors, order=1)
    down, right = ((large.shape[axis] - n) // 2 for axis, n in enumerate((height, width)))
    result: Floats = large[down : down + height, right : right + width]
    return result


def zoom(image: Levels, parameters: tuple[float, float], draws: None) -> Floats:
    """Mean of the image and its enlargements. Rounding decides whether ``arange`` includes its end, as published."""
    clean = unit(image, np.float32)
    factors = np.arange(1, *parameters)
    total = np.zeros_like(clean)
    for factor in factors:
        total += zoomed(clean, factor)
    return levels((clean + total) / (len(factors) + 1))


def soften(image: Levels, sigma: float, draws: None) -> Floats:
    """Gaussian blur."""
    return levels(gaussian(unit(image), sigma))


defocus_blur = Recipe(defocus)
glass_blur = Recipe(look_through_glass, draw_shifts)
motion_blur = Recipe(move, draw_angle)
zoom_blur = Recipe(zoom)
gaussian_blur = Recipe(soften)
