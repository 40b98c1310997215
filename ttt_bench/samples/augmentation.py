"""Training-time changes of images and labels together, vectorised over the batch.

Modelled on the training transform of the NYUD and PASCAL source runs (S4T notes, section B.2): random scale and
crop with depth divided by the scale, flip with the x-normal negated, photometric distortion. Left out: the ten
retries for a crop in which no class exceeds 75 %, which no longer fit a whole batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ttt_bench.tasks import get_task


@dataclass(frozen=True)
class Augmentation:
    """How far the random changes go."""

    flip: float = 0.5
    """Probability of a mirror image."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Lowest and highest enlargement."""
    brightness: float = 0.0
    """Largest shift, in units of full brightness."""
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    hue: float = 0.0
    """Largest turn of the colour circle, in turns."""
    border: int = 0
    """Pixels of black around the image, out of which its size is cut at a random place."""
    chance: float = 1.0
    """Probability of each of the four colour changes."""


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(flip=0.0),
    "light": Augmentation(brightness=0.1, contrast=(0.8, 1.2), saturation=(0.8, 1.2)),
    "crop": Augmentation(border=4),
    "paper": Augmentation(
        scale=(0.5, 2.0), brightness=32 / 255, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=18 / 360, chance=0.5
    ),
}
GREY = (0.299, 0.587, 0.114)


def augment_images_and_labels(
    images: Tensor, labels: dict[str, Tensor], recipe: Augmentation, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Change a batch.

    Args:
        images: (B, 3, H, W) in 0..1.
        labels: as ``Batch.labels``.
        recipe: how far to go.
        generator: a CPU generator; the number of draws depends on the recipe and the batch size only.

    Returns:
        Images in 0..1, with -1 where scaling down left nothing, and labels with 255 there.
    """
    draws = torch.rand((9, images.shape[0]), generator=generator).to(images.device)
    labels = dict(labels)
    if recipe.flip:
        images, labels = _flip(images, labels, draws[0] < recipe.flip)
    if recipe.brightness or recipe.hue or recipe.contrast != (1.0, 1.0) or recipe.saturation != (1.0, 1.0):
        images = _jitter(images, recipe, draws[1:9])
    if recipe.scale != (1.0, 1.0):
        scale_draw, *place = torch.rand((3, images.shape[0]), generator=generator).to(images.device)
        low, high = recipe.scale
        images, labels = _scale_and_crop(images, labels, low + (high - low) * scale_draw, place[0], place[1])
    if recipe.border:
        images, labels = _border_crop(images, labels, recipe.border, generator)
    return images, labels


def _border_crop(
    images: Tensor, labels: dict[str, Tensor], border: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Move every image by up to ``border`` pixels, black coming in; labels of maps are unknown there."""
    height, width = images.shape[-2:]
    places = torch.randint(2 * border + 1, (len(images), 2), generator=generator).tolist()

    def moved(values: Tensor, fill: float) -> Tensor:
        padded = F.pad(values, (border,) * 4, value=fill)
        cut = [each[..., y : y + height, x : x + width] for each, (y, x) in zip(padded, places, strict=True)]
        return torch.stack(cut)

    changed = {
        name: moved(label, get_task(name).ignore) if get_task(name).extent == "map" else label
        for name, label in labels.items()
    }
    return moved(images, 0.0), changed


def _flip(images: Tensor, labels: dict[str, Tensor], mirrored: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    def chosen(flipped: Tensor, value: Tensor) -> Tensor:
        return torch.where(mirrored.view(-1, *[1] * (value.dim() - 1)), flipped, value)

    changed = {task: chosen(get_task(task).mirrored(label), label) for task, label in labels.items()}
    return chosen(images.flip(-1), images), changed


def _jitter(images: Tensor, recipe: Augmentation, draws: Tensor) -> Tensor:
    def pick(row: int, low: float, high: float, neutral: float) -> Tensor:
        value = low + (high - low) * draws[row]
        return torch.where(draws[row + 4] < recipe.chance, value, neutral).view(-1, 1, 1, 1)

    images = images + pick(0, -recipe.brightness, recipe.brightness, 0.0)
    images = images * pick(1, *recipe.contrast, neutral=1.0)
    weights = images.new_tensor(GREY).view(1, 3, 1, 1)
    grey = (images * weights).sum(1, keepdim=True)
    images = grey + (images - grey) * pick(2, *recipe.saturation, neutral=1.0)
    if recipe.hue:
        images = _turn_hue(images, pick(3, -recipe.hue, recipe.hue, 0.0).flatten())
    return images.clamp(0.0, 1.0)


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Rotate colours about the grey axis, (B,) turns: linear, hence cheap, and close to a turn of HSV's hue."""
    angle = turns * (2 * torch.pi)
    cos, sin = angle.cos(), angle.sin()
    third, root = 1 / 3, (1 / 3) ** 0.5
    same, after, before = cos + third * (1 - cos), third * (1 - cos) - root * sin, third * (1 - cos) + root * sin
    rows = ((same, after, before), (before, same, after), (after, before, same))
    matrix = torch.stack([torch.stack(row, -1) for row in rows], 1)
    return torch.einsum("bij,bjhw->bihw", matrix, images)


def _scale_and_crop(
    images: Tensor, labels: dict[str, Tensor], scale: Tensor, x: Tensor, y: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Enlarge by ``scale`` and cut the old size out at a random place: bilinear image, nearest labels."""
    room = 1 - 1 / scale  # negative when smaller than the window: the image then lies somewhere inside it
    zero = torch.zeros_like(scale)
    theta = torch.stack(
        (
            torch.stack((1 / scale, zero, room * (2 * x - 1)), -1),
            torch.stack((zero, 1 / scale, room * (2 * y - 1)), -1),
        ),
        1,
    )
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    inside = (grid.abs() <= 1).all(-1).unsqueeze(1)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    changed = {}
    for name, label in labels.items():
        task = get_task(name)
        if task.extent == "map":
            # Maps without an axis of channels get one, as images have.
            maps = label.view(len(label), -1, *label.shape[-2:]).float()
            maps = F.grid_sample(maps, grid, mode="nearest", padding_mode="border", align_corners=False)
            label = torch.where(inside, maps, float(task.ignore)).view(label.shape).to(label.dtype)
        changed[name] = task.enlarged(label, scale)
    return torch.where(inside, moved, -1.0), changed
