"""Noise: Gaussian, of photons, of single values, and proportional to the image."""

from __future__ import annotations

from ttt_bench.domains.corruptions.recipe import Floats, Levels, Recipe, Rng, levels, unit


def add_noise(image: Levels, deviation: float, noise: Floats) -> Floats:
    """Additive noise (H, W, 3), already of the standard deviation asked for."""
    return levels(unit(image) + noise)


def draw_gaussian(image: Levels, deviation: float, rng: Rng) -> Floats:
    """Normal draws (H, W, 3)."""
    return rng.normal(0.0, deviation, image.shape)


def count_photons(image: Levels, photons: float, counts: Floats) -> Floats:
    """Brightness as ``counts`` (H, W, 3) of photons."""
    return levels(counts / photons)


def draw_photons(image: Levels, photons: float, rng: Rng) -> Floats:
    """Poisson counts (H, W, 3)."""
    return rng.poisson(unit(image) * photons)


def replace_values(image: Levels, share: float, mask: Floats) -> Floats:
    """``mask`` (H, W, 3): -1 keeps a value, 0 is pepper, 1 is salt."""
    result = unit(image)
    result[mask >= 0] = mask[mask >= 0]
    return levels(result)


def draw_mask(image: Levels, share: float, rng: Rng) -> Floats:
    """Salt or pepper, as likely, on single values and not whole pixels."""
    mask = rng.integers(0, 2, image.shape)
    mask[rng.random(image.shape) >= share] = -1
    return mask


def scale_noise(image: Levels, deviation: float, noise: Floats) -> Floats:
    """Noise (H, W, 3) proportional to brightness."""
    clean = unit(image)
    return levels(clean + clean * noise)


gaussian_noise = Recipe(add_noise, draw_gaussian)
shot_noise = Recipe(count_photons, draw_photons)
impulse_noise = Recipe(replace_values, draw_mask)
speckle_noise = Recipe(scale_noise, draw_gaussian)
