"""Light, colour, resolution, compression and shape."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from ttt_bench.domains.corruptions.recipe import Floats, Levels, Recipe, Rng, levels, unit

Elastic = tuple[Floats, Floats, Floats]
"""Moves of the affine map's three corners (3, 2) in pixels (x, y); fields (H, W) for columns and rows, in -1..1."""


def brighten(image: Levels, shift: float, draws: None) -> Floats:
    """Add to the value of HSV: hue and saturation stay."""
    clean = unit(image)
    value = clean.max(-1, keepdims=True)
    raised = np.clip(value + shift, 0.0, 1.0)
    return levels(np.where(value > 0, clean / np.maximum(value, 1e-6) * raised, raised))


def saturate_colours(image: Levels, parameters: tuple[float, float], draws: None) -> Floats:
    """Scale and shift the saturation of HSV: hue and value stay. A grey without hue counts as red."""
    clean = unit(image)
    value, least = clean.max(-1, keepdims=True), clean.min(-1, keepdims=True)
    spread = value - least
    saturation = spread / np.maximum(value, 1e-12)
    changed = np.clip(saturation * parameters[0] + parameters[1], 0, 1)
    depth = np.where(spread > 0, (value - clean) / np.maximum(spread, 1e-12), np.array([0.0, 1.0, 1.0]))
    return levels(value * (1 - changed * depth))


def flatten(image: Levels, factor: float, draws: None) -> Floats:
    """Pull every channel towards its mean."""
    clean = unit(image)
    mean = clean.mean((0, 1), keepdims=True)
    return levels((clean - mean) * factor + mean)


def coarsen(image: Levels, resolution: float, draws: None) -> Floats:
    """Down to a share of the resolution and up again in blocks."""
    height, width = image.shape[:2]
    small = (max(1, int(width * resolution)), max(1, int(height * resolution)))
    picture = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))


def compress(image: Levels, quality: int, draws: None) -> Floats:
    """Through a JPEG file of low quality."""
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        file.seek(0)
        with Image.open(file) as picture:
            return np.asarray(picture.convert("RGB"))


def warp(image: Levels, parameters: tuple[float, float, float], draws: Elastic) -> Floats:
    """A random affine map, then a smooth random displacement of every pixel."""
    return displace(affine(unit(image, np.float32), draws[0]), parameters, draws[1:])


def affine(image: Floats, moves: Floats) -> Floats:
    """(H, W, C) under the affine map that moves three corners of a central square by ``moves`` (3, 2) (x, y).

    Places are found as OpenCV finds them: in fixed point, to 1/32 of a pixel; what lies outside is mirrored.
    """
    height, width = image.shape[:2]
    centre, reach = np.array([width // 2, height // 2]), min(height, width) // 3
    corners = (centre + reach * np.array([(1, 1), (1, -1), (-1, -1)])).astype(np.float32)
    moved = (corners + moves).astype(np.float32).astype(np.float64)
    back = np.linalg.solve(np.column_stack((moved, np.ones(3))), corners.astype(np.float64))  # (x, y, 1) -> (x, y)
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    columns, rows = (
        (np.rint(across * x * 1024) + np.rint((down * y + shift) * 1024) + 16) // 32 / 32
        for across, down, shift in back.T
    )
    return _sampled(image, np.stack((rows, columns)), "mirror")


def displace(image: Floats, parameters: tuple[float, float, float], fields: tuple[Floats, Floats]) -> Floats:
    """(H, W, C) in 0..1 with every pixel moved along the smoothed ``fields`` (columns, rows), in grey levels."""
    strength, sigma, _ = parameters
    columns, rows = (
        ndimage.gaussian_filter(field.astype(np.float64), sigma, mode="reflect", truncate=3) * strength
        for field in fields
    )
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return levels(_sampled(image, np.stack((y + rows, x + columns)), "reflect"))


def draw_elastic(image: Levels, parameters: tuple[float, float, float], rng: Rng) -> Elastic:
    """Moves of the corners and the two fields before smoothing."""
    moves = rng.uniform(-1, 1, (3, 2)) * parameters[2]
    return moves, rng.uniform(-1, 1, image.shape[:2]), rng.uniform(-1, 1, image.shape[:2])


def _sampled(image: Floats, places: Floats, mode: str) -> Floats:
    planes = [ndimage.map_coordinates(image[..., c], places, order=1, mode=mode) for c in range(image.shape[-1])]
    return np.stack(planes, -1)


brightness = Recipe(brighten)
saturate = Recipe(saturate_colours)
contrast = Recipe(flatten)
pixelate = Recipe(coarsen)
jpeg_compression = Recipe(compress)
elastic_transform = Recipe(warp, draw_elastic)
