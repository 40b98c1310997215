"""Random views of image batches for self-supervised branches, driven by the generator that is handed in.

Every draw is made on the CPU, so that a run sees the same views on any device.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.domains.normalisation import SCALINGS

GREY = (0.299, 0.587, 0.114)
"""ITU-R 601 luma weights."""
BLUR_FROM = 224
"""SimCLR blurs views of this side or larger only."""


def square_crops(images: Tensor, count: int, fraction: float, rng: torch.Generator) -> Tensor:
    """``count`` random square crops of each image, each flipped left-right with probability 0.5.

    Args:
        images: (B, C, H, W).
        count: crops per image.
        fraction: side of the crop as a share of min(H, W), in (0, 1].
        rng: source of positions and flips.

    Returns:
        (B * count, C, s, s), all crops of the first image first.
    """
    height, width = images.shape[-2:]
    side = max(1, round(fraction * min(height, width)))
    draws = torch.rand(len(images) * count, 3, generator=rng).tolist()
    crops = []
    for index, (down, right, flip) in enumerate(draws):
        top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
        crop = images[index // count, :, top : top + side, left : left + side]
        crops.append(crop.flip(-1) if flip < 0.5 else crop)
    return torch.stack(crops)


def padded_crops(images: Tensor, count: int, padding: int, rng: torch.Generator, scaling: str = "imagenet") -> Tensor:
    """``count`` square crops of each image in a black border of ``padding`` pixels; half of them are flipped.

    Args:
        images: (B, 3, H, W), normalised.
        count: crops per image.
        padding: width of the border.
        rng: source of positions and flips.
        scaling: which normalisation the images have; black is no zero then.

    Returns:
        (B * count, 3, s, s), s = min(H, W), all crops of the first image first.
    """
    height, width = images.shape[-2:]
    side = min(height, width)
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in SCALINGS[scaling])
    padded = F.pad(images + mean / std, (padding,) * 4) - mean / std
    draws = torch.rand(len(images) * count, 3, generator=rng).tolist()
    crops = []
    for index, (down, right, flip) in enumerate(draws):
        top, left = int(down * (height + 2 * padding - side + 1)), int(right * (width + 2 * padding - side + 1))
        crop = padded[index // count, :, top : top + side, left : left + side]
        crops.append(crop.flip(-1) if flip < 0.5 else crop)
    return torch.stack(crops)


def simclr_view(images: Tensor, size: int, rng: torch.Generator, scaling: str = "imagenet") -> Tensor:
    """One SimCLR view of each image: resized crop, flip, colour jitter, grey, blur (Chen et al. 2020).

    Args:
        images: (B, 3, H, W), normalised.
        size: side of the view.
        rng: source of every draw.
        scaling: which normalisation the images have (``Network.config.given``).

    Returns:
        (B, 3, size, size), normalised.
    """
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in SCALINGS[scaling])
    pixels = (resized_crop(images, size, rng) * std + mean).clamp(0, 1)
    pixels = _with_probability(0.8, pixels, _jitter(pixels, rng), rng)
    pixels = _with_probability(0.2, pixels, _grey(pixels).expand_as(pixels), rng)
    if size >= BLUR_FROM:
        pixels = _with_probability(0.5, pixels, _blur(pixels, rng), rng)
    return (pixels - mean) / std


def resized_crop(images: Tensor, size: int, rng: torch.Generator, scale: tuple[float, float] = (0.2, 1.0)) -> Tensor:
    """A random box of each image (area ``scale``, aspect 3/4 to 4/3), flipped half the time, resized.

    Bilinear without anti-aliasing; a box that would stick out is cut to the image.
    """
    count, (height, width) = len(images), images.shape[-2:]
    area = _uniform(count, *scale, rng) * (height * width)
    aspect = _uniform(count, math.log(3 / 4), math.log(4 / 3), rng).exp()
    box_w = ((area * aspect).sqrt() / width).clamp(max=1.0)
    box_h = ((area / aspect).sqrt() / height).clamp(max=1.0)
    flip = torch.where(_uniform(count, 0, 1, rng) < 0.5, -1.0, 1.0)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = box_w * flip, (1 - box_w) * _uniform(count, -1, 1, rng)
    theta[:, 1, 1], theta[:, 1, 2] = box_h, (1 - box_h) * _uniform(count, -1, 1, rng)
    grid = F.affine_grid(theta.to(images), [count, 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _uniform(count: int, low: float, high: float, rng: torch.Generator) -> Tensor:
    return torch.rand(count, generator=rng) * (high - low) + low


def _factor(count: int, low: float, high: float, rng: torch.Generator, like: Tensor) -> Tensor:
    return _uniform(count, low, high, rng).to(like).view(-1, 1, 1, 1)


def _with_probability(share: float, before: Tensor, after: Tensor, rng: torch.Generator) -> Tensor:
    chosen = _factor(len(before), 0, 1, rng, before) < share
    return torch.where(chosen, after, before)


def _jitter(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation by 0.4, hue by 0.1; the order is drawn once per batch."""
    count = len(pixels)
    for kind in torch.randperm(4, generator=rng).tolist():
        if kind == 3:
            pixels = _shift_hue(pixels, _factor(count, -0.1, 0.1, rng, pixels))
            continue
        factor = _factor(count, 0.6, 1.4, rng, pixels)
        if kind == 0:
            anchor = torch.zeros_like(pixels)
        elif kind == 1:
            anchor = _grey(pixels).mean((1, 2, 3), keepdim=True)
        else:
            anchor = _grey(pixels)
        pixels = (factor * pixels + (1 - factor) * anchor).clamp(0, 1)
    return pixels


def _grey(pixels: Tensor) -> Tensor:
    return (pixels * pixels.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _shift_hue(pixels: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of (B, 3, H, W) in [0, 1] by ``shift`` of a full circle, value and saturation kept."""
    value, lowest = pixels.amax(1, keepdim=True), pixels.amin(1, keepdim=True)
    chroma = value - lowest
    red, green, blue = pixels[:, 0:1], pixels[:, 1:2], pixels[:, 2:3]
    safe = torch.where(chroma > 0, chroma, 1.0)
    sector = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = sector + 6 * shift
    # The channel n of an HSV colour (n = 5, 3, 1 for red, green, blue).
    position = [(n + hue) % 6 for n in (5.0, 3.0, 1.0)]
    return torch.cat([value - chroma * torch.minimum(k, 4 - k).clamp(0, 1) for k in position], dim=1)


def _blur(pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Gaussian blur, one sigma in 0.1 to 2 pixels per image, kernel a tenth of the side."""
    count, channels, height, width = pixels.shape
    radius = max(1, min(height, width) // 20)
    sigma = _uniform(count, 0.1, 2.0, rng).to(pixels).view(-1, 1)
    offsets = torch.arange(-radius, radius + 1).to(pixels)
    kernel = torch.exp(-((offsets / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)[:, None]
    planes = F.pad(pixels.reshape(1, -1, height, width), (radius,) * 4, mode="reflect")
    planes = F.conv2d(planes, kernel[:, :, None, :], groups=count * channels)
    planes = F.conv2d(planes, kernel[:, :, :, None], groups=count * channels)
    return planes.reshape(pixels.shape)
