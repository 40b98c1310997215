"""The fifteen corruptions as functions (image, parameters, scale, rng) -> image.

Images are (H, W, 3) float in 0..1; results are clipped by the caller. ``scale`` turns pixels of a 224-pixel image
into pixels of this one.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, signal

Floats = npt.NDArray[Any]
Rng = np.random.Generator


def gaussian_noise(image: Floats, deviation: float, scale: float, rng: Rng) -> Floats:
    """Additive normal noise."""
    return image + rng.normal(0.0, deviation, image.shape)


def shot_noise(image: Floats, photons: float, scale: float, rng: Rng) -> Floats:
    """Poisson noise of a low photon count."""
    return rng.poisson(image * photons) / photons


def impulse_noise(image: Floats, share: float, scale: float, rng: Rng) -> Floats:
    """Salt and pepper on single values."""
    draw = rng.random(image.shape)
    return np.where(draw < share / 2, 0.0, np.where(draw < share, 1.0, image))


def defocus_blur(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """Convolution with a disc whose rim is softened."""
    radius, soften = (scale * p for p in parameters)
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.sqrt(x * x + y * y), 0.0, 1.0)
    disc = ndimage.gaussian_filter(disc, soften)
    return _convolve(image, disc / disc.sum())


def glass_blur(image: Floats, parameters: tuple[float, float, int], scale: float, rng: Rng) -> Floats:
    """Blur, rounds of fetching each pixel from a random neighbour, blur."""
    sigma, reach, rounds = scale * parameters[0], scale * parameters[1] + 0.5, parameters[2]
    image = _gaussian(image, sigma)
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    for _ in range(rounds):
        dy, dx = np.rint(rng.uniform(-reach, reach, (2, height, width))).astype(np.intp)
        image = image[np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)]
    return _gaussian(image, sigma)


def motion_blur(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """Smear along a line within 45 degrees of the horizontal."""
    return _smear(image, scale * parameters[0], scale * parameters[1], rng.uniform(-45, 45))


def zoom_blur(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """Mean of the image and its enlargements about the centre."""
    largest, step = parameters
    height, width = image.shape[:2]
    zooms = np.arange(1.0, largest + step / 2, step)
    total = image.astype(np.float64)
    for zoom in zooms:
        y, x = ((n - n / zoom) / 2 for n in (height, width))
        box = (x, y, x + width / zoom, y + height / zoom)
        total += _resized(image, (height, width), box)
    return total / (len(zooms) + 1)


def snow(image: Floats, parameters: tuple[float, ...], scale: float, rng: Rng) -> Floats:
    """Streaks of flakes from two opposite directions over a whitened image."""
    mean, deviation, flake, threshold, radius, sigma, share = parameters
    height, width = image.shape[:2]
    zoom = max(1.0, flake * scale)
    coarse = rng.normal(mean, deviation, (int(np.ceil(height / zoom)), int(np.ceil(width / zoom))))
    flakes = _enlarged(coarse, (height, width))
    flakes = np.where(flakes < threshold, 0.0, np.clip(flakes, 0, 1))
    streaks = _smear(flakes[..., None], scale * radius, scale * sigma, rng.uniform(-135, -45))
    white = np.maximum(image, (image @ np.array([0.299, 0.587, 0.114]))[..., None] * 1.5 + 0.5)
    snowy: Floats = share * image + (1 - share) * white + streaks + streaks[::-1, ::-1]
    return snowy


def frost(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """The image behind a pane with ice crystals."""
    share, ice = parameters
    return share * image + ice * _ice(image.shape[0], image.shape[1], rng)


def fog(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """Additive plasma clouds; contrast falls so that the brightest stays in range."""
    amount, decay = parameters
    height, width = image.shape[:2]
    clouds = _plasma(max(height, width), decay, rng)[:height, :width, None]
    brightest = max(float(image.max()), 1e-6)
    return (image + amount * clouds) * brightest / (brightest + amount)


def brightness(image: Floats, shift: float, scale: float, rng: Rng) -> Floats:
    """Add to the value of HSV: hue and saturation stay."""
    value = image.max(-1, keepdims=True)
    raised = np.clip(value + shift, 0.0, 1.0)
    result: Floats = np.where(value > 0, image / np.maximum(value, 1e-6) * raised, raised)
    return result


def contrast(image: Floats, factor: float, scale: float, rng: Rng) -> Floats:
    """Pull every channel towards its mean."""
    mean = image.mean((0, 1), keepdims=True)
    result: Floats = (image - mean) * factor + mean
    return result


def elastic_transform(image: Floats, parameters: tuple[float, float], scale: float, rng: Rng) -> Floats:
    """Smooth random displacement of every pixel."""
    strength, sigma = (scale * p for p in parameters)
    height, width = image.shape[:2]
    noise = rng.uniform(-1, 1, (2, height, width))
    dy, dx = (_smooth_field(n, sigma, scale) * strength for n in noise)
    rows, columns = np.mgrid[:height, :width]
    places = np.stack((rows + dy, columns + dx))
    return np.stack(
        [ndimage.map_coordinates(image[..., c], places, order=1, mode="reflect") for c in range(image.shape[-1])], -1
    )


def pixelate(image: Floats, resolution: float, scale: float, rng: Rng) -> Floats:
    """Down to a share of the resolution and up again in blocks."""
    height, width = image.shape[:2]
    small = (max(1, int(width * resolution)), max(1, int(height * resolution)))
    picture = _to_pillow(image).resize(small, Image.Resampling.BOX)
    return _from_pillow(picture.resize((width, height), Image.Resampling.NEAREST))


def jpeg_compression(image: Floats, quality: int, scale: float, rng: Rng) -> Floats:
    """Through a JPEG file of low quality."""
    with io.BytesIO() as file:
        _to_pillow(image).save(file, "JPEG", quality=quality)
        file.seek(0)
        with Image.open(file) as picture:
            return _from_pillow(picture.convert("RGB"))


def _to_pillow(image: Floats) -> Image.Image:
    return Image.fromarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def _from_pillow(picture: Image.Image) -> Floats:
    return np.asarray(picture, np.float32) / np.float32(255)


def _resized(image: Floats, size: tuple[int, int], box: tuple[float, float, float, float]) -> Floats:
    planes = [
        np.asarray(Image.fromarray(image[..., c]).resize(size[::-1], Image.Resampling.BILINEAR, box=box))
        for c in range(image.shape[-1])
    ]
    return np.stack(planes, -1)


def _enlarged(field: Floats, size: tuple[int, int]) -> Floats:
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))


def _gaussian(image: Floats, sigma: float) -> Floats:
    result: Floats = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    return result


def _smooth_field(noise: Floats, sigma: float, scale: float) -> Floats:
    """Blurred noise with the amplitude that it has at 224 pixels: coarser pixels would average less of it."""
    result: Floats = ndimage.gaussian_filter(noise, sigma, mode="reflect", truncate=3) * scale
    return result


def _convolve(image: Floats, kernel: Floats) -> Floats:
    reach = kernel.shape[0] // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    result: Floats = signal.fftconvolve(padded, kernel[..., None], mode="valid", axes=(0, 1))
    return result


def _smear(image: Floats, radius: float, sigma: float, degrees: float) -> Floats:
    """Weighted mean of copies moved along a line; the weights are half a Gaussian of 2 ``radius`` + 1 pixels."""
    height, width = image.shape[:2]
    dy, dx = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    # At least four copies per pixel of a short kernel, so that a fractional length still counts.
    steps = np.linspace(0.0, 2 * radius, max(2, int(np.ceil(4 * radius)) + 1))
    weights = np.exp(-(steps**2) / (2 * sigma * sigma))
    total = np.zeros(image.shape, np.float64)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        rows = np.clip(np.arange(height) + round(step * dy), 0, height - 1)
        columns = np.clip(np.arange(width) + round(step * dx), 0, width - 1)
        total += weight * image[rows[:, None], columns[None, :]]
    return total


def _plasma(side: int, decay: float, rng: Rng) -> Floats:
    """A square of diamond-square noise in 0..1 whose side is the next power of two; it wraps around."""
    size = 1 << (side - 1).bit_length()
    field = np.zeros((size, size))
    wobble, step = 100.0, size
    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        around = corners + np.roll(corners, -1, 0)
        around = around + np.roll(around, -1, 1)
        field[half::step, half::step] = _wobbled(around, wobble, rng)
        centres, corners = field[half::step, half::step], field[::step, ::step]
        beside = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        field[::step, half::step] = _wobbled(beside, wobble, rng)
        below = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        field[half::step, ::step] = _wobbled(below, wobble, rng)
        step, wobble = half, wobble / decay
    field -= field.min()
    return field / max(float(field.max()), 1e-12)


def _wobbled(four: Floats, wobble: float, rng: Rng) -> Floats:
    return four / 4 + wobble * rng.uniform(-wobble, wobble, four.shape)


def _ice(height: int, width: int, rng: Rng) -> Floats:
    """(H, W, 3) frost in 0..1: ridges of rough noise over haze, thicker towards the rim."""
    side = max(height, width)
    total = np.zeros((height, width))
    for folds in (2, 3, 5):
        clouds = np.rot90(_plasma(side, 1.45, rng), int(rng.integers(4)))[:height, :width]
        ridge = 1 - np.abs(2 * ((clouds * folds) % 1.0) - 1)
        total = np.maximum(total, ridge**4 * rng.uniform(0.6, 1.0))
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    rim = 0.5 + 0.5 * np.maximum(np.abs(x), np.abs(y)) ** 2
    haze = _plasma(side, 2.0, rng)[:height, :width]
    crystals: Floats = np.clip((0.7 * haze + 0.9 * total) * rim, 0, 1)[..., None]
    bluish: Floats = crystals * np.array([0.88, 0.95, 1.0])
    return bluish


CORRUPTIONS: dict[str, Callable[[Floats, Any, float, Rng], Floats]] = {
    function.__name__: function
    for function in (
        gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, motion_blur, zoom_blur, snow, frost, fog,
        brightness, contrast, elastic_transform, pixelate, jpeg_compression,
    )
}  # fmt: skip
