"""The ten kinds of furniture in other shapes: what a class is for is the same, what it looks like is not."""

from __future__ import annotations

from collections.abc import Callable

from ttt_bench.domains.rooms.furniture import (
    CERAMICS,
    CHROME,
    ENAMELS,
    FABRICS,
    GLASSES,
    LEAVES,
    LINENS,
    POTS,
    fabric,
    wood,
)
from ttt_bench.domains.rooms.parts import SPECKLE, STRIPES, Dice, Material, Part, Piece, ball, box, tube


def chest_freezer(dice: Dice) -> Piece:
    """For a refrigerator: a low white chest with a lid."""
    w, d, h = dice.uniform(0.48, 0.70), dice.uniform(0.30, 0.38), dice.uniform(0.78, 0.92)
    shell = Material(dice.tint(dice.pick(ENAMELS), 0.05), gloss=0.3)
    parts = [
        box(0, h / 2 - 0.04, 0, w, h / 2 - 0.04, d, shell),
        box(0, h - 0.05, 0, w + 0.015, 0.04, d + 0.015, Material(dice.tint((0.75, 0.77, 0.80)), gloss=0.3)),
        box(0, h - 0.08, d + 0.03, 0.12, 0.02, 0.015, CHROME),
    ]
    return Piece(0, parts, w + 0.015, d + 0.05, h)


def bar_table(dice: Dice) -> Piece:
    """For a table: a tall column with a small top, or a solid cube."""
    material = wood(dice) if dice.chance(0.5) else Material(dice.tint((0.30, 0.30, 0.32)), gloss=0.2)
    if dice.chance(0.5):
        top, r = dice.uniform(1.0, 1.15), dice.uniform(0.26, 0.36)
        parts = [
            tube(0, top - 0.02, 0, r, 0.02, r, material),
            box(0, top / 2, 0, 0.05, top / 2 - 0.02, 0.05, material),
            tube(0, 0.02, 0, r * 0.8, 0.02, r * 0.8, material),
        ]
        return Piece(1, parts, r, r, top, support=top)
    side, top = dice.uniform(0.28, 0.42), dice.uniform(0.45, 0.60)
    return Piece(1, [box(0, top / 2, 0, side, top / 2, side, material)], side, side, top, support=top)


def block_toilet(dice: Dice) -> Piece:
    """For a toilet: a floating block, dark or white, without a cistern."""
    stone = Material(dice.tint((0.28, 0.29, 0.31)) if dice.chance(0.5) else dice.tint(CERAMICS[0], 0.03), gloss=0.4)
    w, d, top = dice.uniform(0.19, 0.24), dice.uniform(0.26, 0.32), dice.uniform(0.40, 0.50)
    parts = [
        box(0, top - 0.13, 0, w, 0.13, d, stone),
        box(0, top + 0.012, 0.02, w * 0.95, 0.012, d * 0.93, Material(dice.tint(dice.pick(LINENS)), gloss=0.3)),
        box(0, 0.8, -d + 0.02, 0.13, 0.08, 0.012, CHROME),
    ]
    return Piece(2, parts, w, d, 0.9)


def bean_bag(dice: Dice) -> Piece:
    """For a sofa: a soft heap with a smaller one behind."""
    cloth = fabric(dice, FABRICS)
    r, h = dice.uniform(0.42, 0.58), dice.uniform(0.26, 0.34)
    parts = [
        ball(0, h * 0.9, 0.06, r, h, r * 0.9, cloth),
        ball(0, h * 1.7, -r * 0.45, r * 0.7, h * 0.9, r * 0.42, cloth),
    ]
    return Piece(3, parts, r, r, h * 2.6)


def bunk(dice: Dice) -> Piece:
    """For a bed: a mattress flat on the floor, or high up on posts."""
    sheet = Material(dice.tint(dice.pick(LINENS), 0.06), dice.tint((0.9, 0.9, 0.9)), STRIPES, dice.uniform(3.0, 6.0))
    w, d = dice.uniform(0.42, 0.55), dice.uniform(0.88, 1.0)
    if dice.chance(0.5):
        parts = [
            box(0, 0.09, 0, w, 0.09, d, sheet),
            box(0, 0.22, -d + 0.2, w * 0.7, 0.05, 0.16, Material(dice.tint(dice.pick(FABRICS)))),
        ]
        return Piece(4, parts, w, d, 0.28)
    frame, deck = Material(dice.tint((0.35, 0.36, 0.40)), gloss=0.3), dice.uniform(1.35, 1.6)
    posts: list[Part] = [
        box(sx * (w - 0.03), deck / 2 + 0.1, sz * (d - 0.03), 0.03, deck / 2 + 0.1, 0.03, frame)
        for sx in (-1, 1)
        for sz in (-1, 1)
    ]
    parts = [*posts, box(0, deck, 0, w, 0.03, d, frame), box(0, deck + 0.1, 0, w - 0.02, 0.07, d - 0.02, sheet)]
    return Piece(4, parts, w, d, deck + 0.2)


def trough(dice: Dice) -> Piece:
    """For a sink: a long stone trough, or a copper bowl on a thin stand."""
    stone = Material(dice.tint((0.52, 0.50, 0.47), 0.1), (0.38, 0.37, 0.35), SPECKLE, 14.0, 0.15)
    if dice.chance(0.5):
        w, top = dice.uniform(0.55, 0.75), dice.uniform(0.62, 0.74)
        parts = [
            box(0, top - 0.12, 0, w, 0.12, 0.22, stone),
            box(-w * 0.7, (top - 0.24) / 2, 0, 0.05, (top - 0.24) / 2, 0.18, stone),
            box(w * 0.7, (top - 0.24) / 2, 0, 0.05, (top - 0.24) / 2, 0.18, stone),
            box(0, top + 0.003, 0, w - 0.06, 0.003, 0.16, Material((0.25, 0.32, 0.38), gloss=0.5)),
        ]
        return Piece(5, parts, w, 0.22, top + 0.02)
    r, top = dice.uniform(0.20, 0.27), dice.uniform(0.92, 1.02)
    copper = Material(dice.tint((0.72, 0.45, 0.30), 0.06), gloss=0.5)
    parts = [
        ball(0, top - 0.02, 0, r, 0.13, r, copper),
        tube(0, top / 2, 0, 0.025, top / 2, 0.025, CHROME),
        tube(0, 0.02, 0, r * 0.7, 0.02, r * 0.7, CHROME),
    ]
    return Piece(5, parts, r, r, top + 0.12)


def stool(dice: Dice) -> Piece:
    """For a chair: a round seat on one leg, or a ball to sit on."""
    cloth = fabric(dice, FABRICS)
    if dice.chance(0.4):
        r = dice.uniform(0.28, 0.36)
        return Piece(6, [ball(0, r, 0, r, r, r, cloth)], r, r, 2 * r)
    r, top = dice.uniform(0.16, 0.22), dice.uniform(0.55, 0.80)
    parts = [
        tube(0, top - 0.04, 0, r, 0.04, r, cloth),
        tube(0, top / 2, 0, 0.03, top / 2 - 0.04, 0.03, CHROME),
        tube(0, 0.015, 0, r * 0.9, 0.015, r * 0.9, CHROME),
    ]
    return Piece(6, parts, r, r, top)


def box_tv(dice: Dice) -> Piece:
    """For a tv: a deep wooden case with a small bulging screen."""
    w, h, d = dice.uniform(0.30, 0.42), dice.uniform(0.24, 0.32), dice.uniform(0.18, 0.24)
    parts = [
        box(0, h, 0, w, h, d, wood(dice)),
        ball(-w * 0.2, h, d - 0.02, w * 0.66, h * 0.78, 0.05, Material((0.42, 0.48, 0.44), gloss=0.7)),
        tube(w * 0.72, h * 1.4, d, 0.04, 0.04, 0.02, CHROME),
    ]
    return Piece(7, parts, w, d + 0.04, 2 * h)


def jug(dice: Dice) -> Piece:
    """For a bottle: a round flask with a handle, as wide as high."""
    glass = Material(dice.tint(dice.pick((*GLASSES, *POTS)), 0.08), gloss=0.6)
    r, h = dice.uniform(0.15, 0.21), dice.uniform(0.30, 0.40)
    parts = [
        ball(0, r * 0.85, 0, r, r * 0.85, r, glass),
        tube(0, h - 0.07, 0, r * 0.25, 0.08, r * 0.25, glass),
        box(r * 0.7, h - 0.10, 0, r * 0.25, 0.02, 0.02, glass),
    ]
    return Piece(8, parts, r, r, h + 0.03)


def cactus(dice: Dice) -> Piece:
    """For a potted plant: a column with an arm in a square tub."""
    tub = Material(dice.tint(dice.pick(POTS), 0.06), gloss=0.1)
    green = dice.tint(dice.pick(LEAVES), 0.06)
    skin = Material(green, (green[0] * 0.6, green[1] * 0.7, green[2] * 0.6), STRIPES, 12.0)
    r, h = dice.uniform(0.07, 0.11), dice.uniform(0.55, 1.05)
    reach, arm = dice.uniform(0.18, 0.26), h * dice.uniform(0.4, 0.6)
    parts = [
        box(0, 0.13, 0, 0.18, 0.13, 0.18, tub),
        tube(0, 0.26 + h / 2, 0, r, h / 2, r, skin),
        ball(0, 0.26 + h, 0, r, r, r, skin),
        box(reach / 2, 0.26 + arm, 0, reach / 2, r * 0.5, r * 0.5, skin),
        tube(reach, 0.26 + arm + 0.14, 0, r * 0.6, 0.16, r * 0.6, skin),
    ]
    return Piece(9, parts, reach + r * 0.6, max(0.18, r), 0.26 + h + r)


BUILDERS: tuple[Callable[[Dice], Piece], ...] = (
    chest_freezer, bar_table, block_toilet, bean_bag, bunk, trough, stool, box_tv, jug, cactus,
)  # fmt: skip
"""In the order of ``family.CLASSES``."""
