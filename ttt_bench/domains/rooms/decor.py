"""What else is in a room: unlabelled things, and the surfaces of the room itself."""

from __future__ import annotations

from ttt_bench.domains.rooms.furniture import FABRICS, LINENS, WOODS, fabric, wood
from ttt_bench.domains.rooms.parts import (
    CHECKS,
    LAMP,
    PLAIN,
    PLANKS,
    SPECKLE,
    STRIPES,
    TILES,
    UNLABELLED,
    WINDOW,
    Colour,
    Dice,
    Material,
    Piece,
    ball,
    box,
    tube,
)

WALLS: tuple[Colour, ...] = (
    (0.88, 0.86, 0.80), (0.80, 0.84, 0.86), (0.78, 0.84, 0.76), (0.90, 0.80, 0.70), (0.74, 0.74, 0.76),
    (0.62, 0.70, 0.76), (0.84, 0.74, 0.74), (0.70, 0.66, 0.58),
)  # fmt: skip

FLOORS: tuple[Colour, ...] = ((0.72, 0.70, 0.66), (0.56, 0.54, 0.54), (0.62, 0.52, 0.44), (0.46, 0.50, 0.54))


def wall_material(dice: Dice) -> Material:
    """Paint, striped paper or tiles."""
    colour = dice.tint(dice.pick(WALLS), 0.05)
    shade = dice.uniform(0.88, 0.95)
    second = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
    pattern = dice.pick((PLAIN, PLAIN, PLAIN, STRIPES, TILES))
    return Material(colour, second, pattern, dice.uniform(1.5, 3.5), 0.02)


def floor_material(dice: Dice) -> Material:
    """Planks, tiles, checks or carpet."""
    if dice.chance(0.5):
        colour = dice.tint(dice.pick(WOODS), 0.05)
        gap = (colour[0] * 0.78, colour[1] * 0.76, colour[2] * 0.74)
        return Material(colour, gap, PLANKS, dice.uniform(3, 6), 0.12)
    colour = dice.tint(dice.pick(FLOORS), 0.06)
    shade = dice.uniform(0.72, 0.88)
    second = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
    return Material(colour, second, dice.pick((TILES, CHECKS, SPECKLE, PLAIN)), dice.uniform(1.5, 3.0), 0.10)


def ceiling_material(dice: Dice) -> Material:
    """Near white."""
    return Material(dice.tint((0.92, 0.92, 0.90), 0.04), gloss=0.0)


def door(dice: Dice) -> Piece:
    """A leaf in a frame with a handle, flat on a wall."""
    leaf, frame = wood(dice), Material(dice.tint((0.86, 0.85, 0.82), 0.08))
    parts = [
        box(0, 1.02, 0.015, 0.48, 1.02, 0.015, frame),
        box(0, 1.00, 0.030, 0.42, 0.99, 0.012, leaf),
        ball(0.34, 1.0, 0.06, 0.04, 0.04, 0.04, Material((0.7, 0.68, 0.6), gloss=0.5)),
    ]
    return Piece(UNLABELLED, parts, 0.48, 0.1, 2.04, casts_shadow=False)


def window(dice: Dice) -> Piece:
    """Bright panes behind a cross of bars; ``y`` is set by the room."""
    w, h = dice.uniform(0.4, 0.75), dice.uniform(0.4, 0.6)
    frame, pane = Material((0.90, 0.90, 0.88)), Material((0.80, 0.88, 0.95), gloss=0.3, glow=WINDOW)
    parts = [
        box(0, h, 0.02, w, h, 0.02, frame),
        box(0, h, 0.035, w - 0.06, h - 0.06, 0.012, pane),
        box(0, h, 0.045, 0.025, h - 0.05, 0.012, frame),
        box(0, h, 0.045, w - 0.05, 0.025, 0.012, frame),
    ]
    return Piece(UNLABELLED, parts, w, 0.06, 2 * h, casts_shadow=False)


def picture(dice: Dice) -> Piece:
    """A framed print."""
    w, h = dice.uniform(0.2, 0.45), dice.uniform(0.18, 0.34)
    print_ = Material(
        dice.tint(dice.pick(LINENS), 0.15), dice.tint(dice.pick(FABRICS), 0.1),
        dice.pick((STRIPES, CHECKS, SPECKLE)), dice.uniform(2.0, 5.0),
    )  # fmt: skip
    parts = [
        box(0, h, 0.015, w, h, 0.015, wood(dice)),
        box(0, h, 0.03, w - 0.04, h - 0.04, 0.006, print_),
    ]
    return Piece(UNLABELLED, parts, w, 0.05, 2 * h, casts_shadow=False)


def rug(dice: Dice) -> Piece:
    """A flat cloth on the floor, rectangular or round."""
    cloth = fabric(dice)
    w, d = dice.uniform(0.6, 1.1), dice.uniform(0.5, 0.9)
    part = box(0, 0.008, 0, w, 0.008, d, cloth) if dice.chance(0.6) else tube(0, 0.008, 0, w, 0.008, d, cloth)
    return Piece(UNLABELLED, [part], w, d, 0.016, casts_shadow=False)


def floor_lamp(dice: Dice) -> Piece:
    """A shade on a pole."""
    h = dice.uniform(1.35, 1.7)
    metal = Material((0.25, 0.24, 0.24), gloss=0.3)
    shade = Material(dice.tint((0.92, 0.84, 0.66), 0.06), glow=LAMP)
    parts = [
        tube(0, 0.015, 0, 0.14, 0.015, 0.14, metal),
        tube(0, h / 2, 0, 0.018, h / 2, 0.018, metal),
        tube(0, h, 0, 0.17, 0.14, 0.17, shade),
    ]
    return Piece(UNLABELLED, parts, 0.17, 0.17, h + 0.14, casts_shadow=False)


def ceiling_lamp(dice: Dice, height: float) -> Piece:
    """A globe on a cord."""
    drop, r = dice.uniform(0.2, 0.45), dice.uniform(0.11, 0.17)
    parts = [
        tube(0, height - drop / 2, 0, 0.012, drop / 2, 0.012, Material((0.2, 0.2, 0.2))),
        ball(0, height - drop - r, 0, r, r, r, Material((0.97, 0.93, 0.84), glow=LAMP)),
    ]
    return Piece(UNLABELLED, parts, r, r, height, casts_shadow=False)


def clutter(dice: Dice) -> Piece:
    """A carton, a crate, a bucket or a ball that lies about."""
    colour = dice.tint(dice.pick((*FABRICS, *WOODS, *LINENS)), 0.10)
    second = (colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6)
    material = Material(colour, second, dice.pick((PLAIN, STRIPES, CHECKS, PLANKS)), dice.uniform(3.0, 8.0), 0.1)
    w, h, d = dice.uniform(0.12, 0.34), dice.uniform(0.12, 0.55), dice.uniform(0.12, 0.34)
    shape = dice.pick((box, box, tube, ball))
    return Piece(UNLABELLED, [shape(0, h, 0, w, h, d, material)], w, d, 2 * h, casts_shadow=False)


def lantern(dice: Dice, height: float) -> Piece:
    """A paper globe or a board on a long cord from a ceiling ``height`` metres above the floor."""
    paper = Material(dice.tint(dice.pick((*LINENS, *FABRICS)), 0.10))
    drop, r = dice.uniform(0.5, 1.3), dice.uniform(0.10, 0.24)
    shape = dice.pick((ball, ball, box, tube))
    parts = [
        tube(0, height - drop / 2, 0, 0.008, drop / 2, 0.008, Material((0.2, 0.2, 0.2))),
        shape(0, height - drop - r, 0, r, r, r * dice.uniform(0.3, 1.0), paper),
    ]
    return Piece(UNLABELLED, parts, r, r, height, casts_shadow=False)


def cabinet(dice: Dice) -> Piece:
    """A low board with drawers that things stand on."""
    material = wood(dice)
    w, d, top = dice.uniform(0.65, 0.95), dice.uniform(0.20, 0.26), dice.uniform(0.42, 0.60)
    gap = Material((material.colour[0] * 0.4, material.colour[1] * 0.4, material.colour[2] * 0.4))
    parts = [
        box(0, top / 2, 0, w, top / 2, d, material),
        box(0, top / 2, d, 0.012, top / 2 - 0.05, 0.004, gap),
        box(0, top * 0.55, d, w - 0.05, 0.012, 0.004, gap),
    ]
    return Piece(UNLABELLED, parts, w, d, top, support=top)
