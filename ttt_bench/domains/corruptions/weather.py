"""Weather: snow, frost, fog, and drops of water or mud on the lens."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ttt_bench.domains.corruptions.blur import gaussian, smear, zoomed
from ttt_bench.domains.corruptions.plasma import draw_plasma, plasma, plasma_side
from ttt_bench.domains.corruptions.recipe import Floats, Levels, Recipe, Rng, levels, unit

GREY = np.array([0.299, 0.587, 0.114], np.float32)
WATER = np.array([175, 238, 238]) / 255
MUD = np.array([63, 42, 20]) / 255


def let_it_snow(image: Levels, parameters: tuple[float, ...], draws: tuple[Floats, float]) -> Floats:
    """Streaks of flakes from two opposite directions over a whitened image; ``draws``: layer (H, W), angle."""
    _, _, flake, threshold, radius, sigma, share = parameters
    layer, degrees = draws
    flakes = zoomed(layer.astype(np.float64), max(1.0, flake))
    flakes = np.where(flakes < threshold, 0.0, flakes)
    streaks = smear(np.trunc(levels(flakes)), radius, sigma, float(degrees))[..., None] / 255
    clean = unit(image, np.float32)
    white = np.maximum(clean, (clean @ GREY)[..., None] * 1.5 + 0.5)
    return levels(share * clean + (1 - share) * white + streaks + streaks[::-1, ::-1])


def draw_snow(image: Levels, parameters: tuple[float, ...], rng: Rng) -> tuple[Floats, float]:
    """A normal layer (H, W) and the direction of the streaks."""
    return rng.normal(parameters[0], parameters[1], image.shape[:2]), rng.uniform(-135, -45)


def freeze(image: Levels, parameters: tuple[float, float], ice: Floats) -> Floats:
    """The image behind a pane with ``ice`` (H, W, 3) in grey levels."""
    share, strength = parameters
    result: Floats = np.clip(share * image.astype(np.float64) + strength * ice, 0, 255)
    return result


def draw_ice(image: Levels, parameters: tuple[float, float], rng: Rng) -> Floats:
    """Ice crystals in whole levels: ridges of rough noise over haze, thicker towards the rim.

    The published kind pastes parts of photographs of frost, which this draws instead.
    """
    height, width = image.shape[:2]
    side = plasma_side(max(height, width))
    total = np.zeros((height, width))
    for folds in (2, 3, 5):
        clouds = plasma(side, 1.45, draw_plasma(side, 1.45, rng))
        clouds = np.rot90(clouds, int(rng.integers(4)))[:height, :width]
        ridge = 1 - np.abs(2 * ((clouds * folds) % 1.0) - 1)
        total = np.maximum(total, ridge**4 * rng.uniform(0.6, 1.0))
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    rim = 0.5 + 0.5 * np.maximum(np.abs(x), np.abs(y)) ** 2
    haze = plasma(side, 2.0, draw_plasma(side, 2.0, rng))[:height, :width]
    crystals: Floats = np.clip((0.7 * haze + 0.9 * total) * rim, 0, 1)[..., None] * np.array([0.88, 0.95, 1.0])
    whole: Floats = np.trunc(crystals * 255)
    return whole


def add_fog(image: Levels, parameters: tuple[float, float], draws: Floats) -> Floats:
    """Additive plasma clouds; contrast falls so that the brightest stays in range."""
    amount, decay = parameters
    height, width = image.shape[:2]
    clean = unit(image)
    brightest = max(float(clean.max()), 1e-6)
    clouds = plasma(plasma_side(max(height, width)), decay, draws)[:height, :width, None]
    return levels((clean + amount * clouds) * brightest / (brightest + amount))


def draw_fog(image: Levels, parameters: tuple[float, float], rng: Rng) -> Floats:
    """The draws of the plasma."""
    return draw_plasma(plasma_side(max(image.shape[:2])), parameters[1], rng)


def splash(image: Levels, parameters: tuple[float, ...], layer: Floats) -> Floats:
    """Drops of water (severities 1 to 3) or mud (4 and 5) where the smoothed ``layer`` (H, W) is high.

    The published water is lit by an edge detector's distance map, equalised and embossed; here each drop is lit
    from the upper left by the slope of its own surface.
    """
    _, _, size, threshold, strength, is_mud = parameters
    liquid = gaussian(layer, size)
    wet = liquid >= threshold
    clean = unit(image)
    if is_mud:
        mud = gaussian(wet.astype(np.float64), strength)
        mud = np.where(mud < 0.8, 0.0, mud)[..., None]
        return levels(clean * (1 - mud) + mud * MUD)
    surface = gaussian(ndimage.distance_transform_edt(wet), 0.5)
    slope = ndimage.sobel(surface, 0) + ndimage.sobel(surface, 1)
    light = np.where(wet, np.maximum(liquid * (1 + slope / max(float(np.abs(slope).max()), 1e-12)), 0), 0.0)
    return levels(clean + strength * light[..., None] / max(float(light.max()), 1e-12) * WATER)


def draw_liquid(image: Levels, parameters: tuple[float, ...], rng: Rng) -> Floats:
    """A normal layer (H, W)."""
    return rng.normal(parameters[0], parameters[1], image.shape[:2])


snow = Recipe(let_it_snow, draw_snow)
frost = Recipe(freeze, draw_ice)
fog = Recipe(add_fog, draw_fog)
spatter = Recipe(splash, draw_liquid)
