"""Diamond-square noise: clouds for fog and frost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ttt_bench.domains.corruptions.recipe import Floats, Rng

ROUGHNESS = 100.0


def plasma_side(side: int) -> int:
    """The next power of two."""
    return 1 << (side - 1).bit_length()


def draw_plasma(side: int, decay: float, rng: Rng) -> Floats:
    """The uniform draws of a square of ``side`` pixels, in the order in which they are used."""
    parts = [rng.uniform(-wobble, wobble, 3 * (side // step) ** 2) for step, wobble in _passes(side, decay)]
    return np.concatenate(parts)


def plasma(side: int, decay: float, draws: Floats) -> Floats:
    """A square (side, side) in 0..1 that wraps around; ``side`` is a power of two."""
    field = np.zeros((side, side))
    used = 0

    def wobbled(four: Floats, wobble: float) -> Floats:
        nonlocal used
        used += four.size
        result: Floats = four / 4 + wobble * draws[used - four.size : used].reshape(four.shape)
        return result

    for step, wobble in _passes(side, decay):
        half = step // 2
        corners = field[::step, ::step]
        around = corners + np.roll(corners, -1, 0)
        around = around + np.roll(around, -1, 1)
        field[half::step, half::step] = wobbled(around, wobble)
        centres, corners = field[half::step, half::step], field[::step, ::step]
        beside = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        field[::step, half::step] = wobbled(beside, wobble)
        below = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        field[half::step, ::step] = wobbled(below, wobble)
    field -= field.min()
    return field / max(float(field.max()), 1e-12)


def _passes(side: int, decay: float) -> Iterator[tuple[int, float]]:
    step, wobble = side, ROUGHNESS
    while step >= 2:
        yield step, wobble
        step, wobble = step // 2, wobble / decay
