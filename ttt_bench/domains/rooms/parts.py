"""What furniture is made of: dice, materials, primitive parts and pieces.

All of ``rooms`` uses additions, multiplications, divisions and square roots only, which IEEE 754 rounds
exactly; sines, exponentials and BLAS differ in the last bit between machines and would change pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")
Colour = tuple[float, float, float]
"""Display-referred RGB in 0..1 (the renderer squares it into linear light)."""

BOX, ELLIPSOID, CYLINDER, ROOM = 0, 1, 2, 3
"""Kinds of parts: axis-aligned box, ellipsoid, upright elliptic cylinder, the room's inside."""

PLAIN, STRIPES, CHECKS, TILES, PLANKS, SPECKLE = 0, 1, 2, 3, 4, 5
"""Kinds of surface pattern."""

NO_GLOW, LAMP, WINDOW, SCREEN = 0, 1, 2, 3
"""Who shines by itself; each look says how bright."""

UNLABELLED = 255


class Dice:
    """Cheap uniform draws from one block of random numbers (a generator call costs a microsecond)."""

    def __init__(self, rng: np.random.Generator, block: int = 1024) -> None:
        self._rng, self._block = rng, block
        self._pool: list[float] = []

    def draw(self) -> float:
        """Uniform in [0, 1)."""
        if not self._pool:
            self._pool = self._rng.random(self._block).tolist()
        return self._pool.pop()

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.draw()

    def chance(self, probability: float) -> bool:
        """True with ``probability``."""
        return self.draw() < probability

    def integer(self, low: int, high: int) -> int:
        """Uniform in low..high, both included."""
        return low + int(self.draw() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of ``options``, all equally likely."""
        return options[int(self.draw() * len(options))]

    def tint(self, colour: Colour, spread: float = 0.08) -> Colour:
        """``colour`` with a random change of brightness and a smaller one of hue."""
        value = self.uniform(-spread, spread)
        red, green, blue = (min(max(c + value + self.uniform(-spread, spread) * 0.5, 0.02), 0.98) for c in colour)
        return red, green, blue


class Material(NamedTuple):
    """How a surface looks in white light."""

    colour: Colour
    second: Colour = (0.0, 0.0, 0.0)
    """The pattern's other colour."""
    pattern: int = PLAIN
    frequency: float = 4.0
    """Repeats per metre."""
    gloss: float = 0.05
    """Strength of the highlight."""
    glow: int = NO_GLOW


class Part(NamedTuple):
    """One primitive in its piece's frame: x right, y up from the floor, z to the piece's front; metres."""

    kind: int
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    material: Material


@dataclass
class Piece:
    """Parts that belong together: one instance with one label."""

    label: int
    parts: list[Part]
    half_width: float
    half_depth: float
    height: float
    """Bounding box in the piece's own frame, for placing and culling."""
    support: float = 0.0
    """Height of a surface that small things may stand on; 0 = none."""
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    """Where its origin stands in the room."""
    cos: float = 1.0
    sin: float = 0.0
    """Its turn about the vertical: local +z points to world (sin, 0, cos)."""
    casts_shadow: bool = True
    extents: tuple[float, float] = field(default=(0.0, 0.0))
    """Half extents of the turned footprint along world x and z."""

    def turn(self, cos: float, sin: float) -> None:
        """Turn it about the vertical."""
        self.cos, self.sin = cos, sin
        self.extents = (
            abs(cos) * self.half_width + abs(sin) * self.half_depth,
            abs(sin) * self.half_width + abs(cos) * self.half_depth,
        )


def box(x: float, y: float, z: float, hx: float, hy: float, hz: float, material: Material) -> Part:
    """A box by centre and half sizes."""
    return Part(BOX, (x, y, z), (hx, hy, hz), material)


def ball(x: float, y: float, z: float, hx: float, hy: float, hz: float, material: Material) -> Part:
    """An ellipsoid by centre and radii."""
    return Part(ELLIPSOID, (x, y, z), (hx, hy, hz), material)


def tube(x: float, y: float, z: float, hx: float, hy: float, hz: float, material: Material) -> Part:
    """An upright elliptic cylinder by centre, radii and half height."""
    return Part(CYLINDER, (x, y, z), (hx, hy, hz), material)
