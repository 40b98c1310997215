"""What a corruption is: the random draws that it makes, and what it does to an image with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
Levels = npt.NDArray[np.uint8]
Rng = np.random.Generator


def _no_draws(image: Levels, parameters: Any, rng: Rng) -> None:
    return None


@dataclass(frozen=True)
class Recipe:
    """One kind. Draws stand apart, so that recorded ones can be fed in."""

    apply: Callable[[Levels, Any, Any], Floats]
    """(image, parameters, draws) -> the result in grey levels, within 0..255, before it is cut to whole levels. Images
    are (H, W, 3) RGB, parameters as ``tables.parameters_for`` gives them."""
    draw: Callable[[Levels, Any, Rng], Any] = _no_draws
    """(image, parameters, rng) -> the draws; None for what needs none."""

    def __call__(self, image: Levels, parameters: Any, rng: Rng) -> Levels:
        """The corrupted image. Levels are cut, not rounded, as the published arrays are."""
        return whole_levels(self.apply(image, parameters, self.draw(image, parameters, rng)))


def unit(image: Levels, kind: type[np.floating[Any]] = np.float64) -> Floats:
    """0..1 in the precision that the published code has at this place: it decides which levels are cut."""
    return (image.astype(np.float64) / 255).astype(kind)


def levels(image: Floats) -> Floats:
    """0..1, clipped, in grey levels."""
    result: Floats = np.clip(image, 0, 1) * 255
    return result


def whole_levels(image: Floats) -> Levels:
    """Grey levels cut to whole ones."""
    result: Levels = image.astype(np.uint8)
    return result
