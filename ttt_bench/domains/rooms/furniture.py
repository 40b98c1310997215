"""The ten kinds of furniture, each with the parts that tell it apart and plenty of variation."""

from __future__ import annotations

from collections.abc import Callable

from ttt_bench.domains.rooms.parts import (
    CHECKS,
    PLAIN,
    PLANKS,
    SCREEN,
    SPECKLE,
    STRIPES,
    Colour,
    Dice,
    Material,
    Part,
    Piece,
    ball,
    box,
    tube,
)

WOODS: tuple[Colour, ...] = (
    (0.62, 0.42, 0.24), (0.45, 0.28, 0.16), (0.78, 0.60, 0.40), (0.33, 0.22, 0.15), (0.85, 0.74, 0.58),
)  # fmt: skip
FABRICS: tuple[Colour, ...] = (
    (0.68, 0.22, 0.20), (0.24, 0.36, 0.58), (0.32, 0.46, 0.34), (0.70, 0.56, 0.30), (0.48, 0.34, 0.54),
    (0.55, 0.53, 0.50), (0.28, 0.28, 0.32), (0.76, 0.44, 0.30),
)  # fmt: skip
LINENS: tuple[Colour, ...] = (
    (0.90, 0.88, 0.84), (0.66, 0.76, 0.88), (0.88, 0.70, 0.70), (0.70, 0.82, 0.68), (0.86, 0.80, 0.58),
    (0.44, 0.48, 0.66),
)  # fmt: skip
CERAMICS: tuple[Colour, ...] = ((0.95, 0.95, 0.94), (0.93, 0.90, 0.84), (0.86, 0.90, 0.94))
GLASSES: tuple[Colour, ...] = (
    (0.14, 0.42, 0.20), (0.46, 0.24, 0.10), (0.22, 0.46, 0.66), (0.70, 0.78, 0.76), (0.66, 0.16, 0.14),
)  # fmt: skip
ENAMELS: tuple[Colour, ...] = (
    (0.92, 0.92, 0.92), (0.72, 0.74, 0.76), (0.72, 0.74, 0.76), (0.62, 0.80, 0.78), (0.84, 0.30, 0.26),
)  # fmt: skip
POTS: tuple[Colour, ...] = ((0.72, 0.38, 0.24), (0.88, 0.87, 0.84), (0.30, 0.34, 0.40))
LEAVES: tuple[Colour, ...] = ((0.20, 0.48, 0.18), (0.32, 0.56, 0.22), (0.16, 0.38, 0.20), (0.42, 0.58, 0.26))
CHROME = Material((0.74, 0.76, 0.78), gloss=0.5)


def wood(dice: Dice) -> Material:
    """Planks of one of several woods."""
    colour = dice.tint(dice.pick(WOODS), 0.06)
    dark = (colour[0] * 0.82, colour[1] * 0.80, colour[2] * 0.78)
    return Material(colour, dark, PLANKS, dice.uniform(5.0, 10.0), 0.12)


def fabric(dice: Dice, palette: tuple[Colour, ...] = FABRICS) -> Material:
    """Plain, striped, checked or coarse cloth."""
    colour = dice.tint(dice.pick(palette), 0.08)
    shade = dice.uniform(0.70, 0.88)
    second = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
    pattern = dice.pick((PLAIN, PLAIN, STRIPES, CHECKS, SPECKLE))
    return Material(colour, second, pattern, dice.uniform(4.0, 9.0), 0.0)


def _legs(x: float, z: float, top: float, thick: float, material: Material) -> list[Part]:
    return [box(sx * x, top / 2, sz * z, thick, top / 2, thick, material) for sx in (-1, 1) for sz in (-1, 1)]


def refrigerator(dice: Dice) -> Piece:
    """Tall box, two doors with a gap and long handles."""
    w, d, h = dice.uniform(0.33, 0.46), dice.uniform(0.30, 0.38), dice.uniform(1.55, 2.0)
    colour = dice.tint(dice.pick(ENAMELS), 0.05)
    shell, door = Material(colour, gloss=0.25), Material(colour, gloss=0.35)
    gap = Material((0.10, 0.10, 0.11))
    split = h * (dice.uniform(0.58, 0.72) if dice.chance(0.7) else dice.uniform(0.30, 0.40))
    side = dice.pick((-1, 1)) * w * 0.78
    front = d - 0.03
    parts = [
        box(0, h / 2, -0.04, w, h / 2, d - 0.04, shell),
        box(0, split, front - 0.03, w * 0.99, 0.030, 0.035, gap),
        box(0, (0.08 + split - 0.025) / 2, front, w, (split - 0.105) / 2, 0.03, door),
        box(0, (h + split + 0.025) / 2, front, w, (h - split - 0.025) / 2, 0.03, door),
        box(side, split - 0.27, front + 0.06, 0.022, 0.20, 0.03, CHROME),
        box(side, split + 0.24, front + 0.06, 0.022, 0.16, 0.03, CHROME),
    ]
    return Piece(0, parts, w, d + 0.06, h)


def table(dice: Dice) -> Piece:
    """A slab on four legs or round on one foot; low and long in front of sofas."""
    material = wood(dice) if dice.chance(0.75) else Material(dice.tint((0.86, 0.86, 0.86)), gloss=0.3)
    low = dice.chance(0.3)
    top = dice.uniform(0.38, 0.5) if low else dice.uniform(0.68, 0.8)
    if dice.chance(0.3):
        r = dice.uniform(0.42, 0.65)
        parts = [
            tube(0, top - 0.03, 0, r, 0.03, r, material),
            tube(0, top / 2, 0, 0.06, top / 2 - 0.03, 0.06, material),
            tube(0, 0.025, 0, r * 0.55, 0.025, r * 0.55, material),
        ]
        return Piece(1, parts, r, r, top, support=top)
    w, d = dice.uniform(0.48, 0.85), dice.uniform(0.34, 0.5)
    thick = dice.uniform(0.025, 0.045)
    parts = [
        box(0, top - thick, 0, w, thick, d, material),
        box(0, top - 2 * thick - 0.04, 0, w * 0.88, 0.04, d * 0.86, material),
        *_legs(w - 0.07, d - 0.07, top - thick, dice.uniform(0.028, 0.045), material),
    ]
    return Piece(1, parts, w, d, top, support=top)


def toilet(dice: Dice) -> Piece:
    """Foot, round bowl with a seat, cistern against the wall, lid up or down."""
    white = Material(dice.tint(dice.pick(CERAMICS), 0.03), gloss=0.45)
    lid = white if dice.chance(0.7) else Material(dice.tint(dice.pick(WOODS)), gloss=0.2)
    scale = dice.uniform(1.05, 1.25)
    parts = [
        tube(0, 0.12, 0.02, 0.13, 0.12, 0.19, white),
        ball(0, 0.33, 0.08, 0.21, 0.16, 0.28, white),
        tube(0, 0.43, 0.08, 0.215, 0.02, 0.285, lid),
        box(0, 0.60, -0.27, 0.24, 0.19, 0.10, white),
        box(0, 0.805, -0.27, 0.255, 0.02, 0.115, white),
        box(0.10, 0.74, -0.16, 0.04, 0.015, 0.015, CHROME),
    ]
    if dice.chance(0.5):
        parts.append(tube(0, 0.455, 0.10, 0.15, 0.012, 0.20, Material((0.42, 0.46, 0.50), gloss=0.2)))
        parts.append(box(0, 0.64, -0.14, 0.20, 0.21, 0.018, lid))
    else:
        parts.append(tube(0, 0.46, 0.08, 0.205, 0.018, 0.275, lid))
    return _scaled(Piece(2, parts, 0.26, 0.39, 0.86), scale)


def _scaled(piece: Piece, s: float) -> Piece:
    def grow(v: tuple[float, float, float]) -> tuple[float, float, float]:
        return v[0] * s, v[1] * s, v[2] * s

    parts = [Part(p.kind, grow(p.centre), grow(p.half), p.material) for p in piece.parts]
    return Piece(piece.label, parts, piece.half_width * s, piece.half_depth * s, piece.height * s)


def sofa(dice: Dice) -> Piece:
    """Base, back, two arms, seat and scatter cushions."""
    cloth = fabric(dice)
    w = dice.pick((0.55, 0.85, 1.05)) + dice.uniform(-0.05, 0.1)
    d, seat, back = dice.uniform(0.40, 0.48), dice.uniform(0.36, 0.44), dice.uniform(0.72, 0.92)
    arm, arm_top = dice.uniform(0.09, 0.15), seat + dice.uniform(0.12, 0.24)
    inner = w - 2 * arm
    count = 1 if w < 0.75 else 2 if w < 1.0 else 3
    parts = [
        box(0, 0.07 + (seat - 0.15) / 2, 0.0, w - 0.02, (seat - 0.15) / 2, d - 0.02, cloth),
        box(0, back / 2 + 0.03, -d + 0.12, w - 0.02, back / 2 - 0.03, 0.12, cloth),
        box(-w + arm, arm_top / 2 + 0.03, 0, arm, arm_top / 2 - 0.03, d, cloth),
        box(w - arm, arm_top / 2 + 0.03, 0, arm, arm_top / 2 - 0.03, d, cloth),
    ]
    for i in range(count):
        x = inner * ((2 * i + 1) / count - 1)
        parts.append(box(x, seat - 0.04, 0.10, inner / count - 0.012, 0.065, d - 0.11, cloth))
    for _ in range(dice.integer(0, 2)):
        cushion = fabric(dice, LINENS)
        x = dice.uniform(-inner, inner) * 0.8
        parts.append(ball(x, seat + 0.17, -d + 0.32, 0.19, 0.17, 0.09, cushion))
    return Piece(3, parts, w, d, back)


def bed(dice: Dice) -> Piece:
    """Frame with headboard, mattress, blanket and pillows; the head is at the wall."""
    frame = wood(dice)
    blanket = fabric(dice, LINENS if dice.chance(0.5) else FABRICS)
    sheet = Material(dice.tint((0.92, 0.91, 0.89), 0.04))
    w, d = dice.pick((0.48, 0.72)) + dice.uniform(0, 0.1), dice.uniform(0.90, 1.02)
    low, top = dice.uniform(0.20, 0.30), dice.uniform(0.46, 0.58)
    head = dice.uniform(0.80, 1.10)
    cover = d * dice.uniform(0.62, 0.75)
    parts = [
        box(0, low / 2 + 0.04, 0, w, low / 2, d, frame),
        box(0, head / 2, -d + 0.03, w, head / 2, 0.035, frame),
        box(0, (low + top) / 2, 0.02, w - 0.02, (top - low) / 2, d - 0.05, sheet),
        box(0, (low + top) / 2 + 0.0, d - cover + 0.02, w + 0.02, (top - low) / 2 + 0.035, cover, blanket),
    ]
    count = 1 if w < 0.62 else 2
    for i in range(count):
        x = (w - 0.04) * ((2 * i + 1) / count - 1)
        pillow = Material(dice.tint(dice.pick(LINENS), 0.04))
        parts.append(ball(x, top + 0.06, -d + 0.30, (w - 0.06) / count * 0.92, 0.10, 0.20, pillow))
    return Piece(4, parts, w + 0.02, d + 0.02, head)


def sink(dice: Dice) -> Piece:
    """A basin with a tap, on a pedestal or on a cupboard."""
    white = Material(dice.tint(dice.pick(CERAMICS), 0.03), gloss=0.45)
    hollow = Material((0.58, 0.62, 0.66), gloss=0.3)
    w, d, top = dice.uniform(0.30, 0.42), dice.uniform(0.24, 0.30), dice.uniform(0.80, 0.90)
    parts = [
        tube(0, top + 0.10, -d + 0.07, 0.022, 0.11, 0.022, CHROME),
        box(0, top + 0.20, -d + 0.15, 0.020, 0.018, 0.10, CHROME),
        tube(0, top + 0.002, 0.04, w * 0.72, 0.006, d * 0.66, hollow),
    ]
    if dice.chance(0.5):  # pedestal
        parts += [
            ball(0, top - 0.07, 0.0, w, 0.16, d, white),
            tube(0, top - 0.03, 0.0, w, 0.03, d, white),
            tube(0, (top - 0.1) / 2, -0.04, 0.10, (top - 0.1) / 2, 0.10, white),
        ]
    else:
        front = wood(dice) if dice.chance(0.6) else Material(dice.tint((0.70, 0.76, 0.80)), gloss=0.15)
        gap = Material((0.12, 0.1, 0.1))
        knob = dice.uniform(0.03, 0.05)
        parts += [
            box(0, top - 0.05, 0, w + 0.03, 0.05, d + 0.01, white),
            box(0, (top - 0.1) / 2 + 0.04, -0.01, w, (top - 0.1) / 2 - 0.04, d - 0.02, front),
            box(0, (top - 0.1) / 2 + 0.04, d - 0.026, 0.008, (top - 0.1) / 2 - 0.06, 0.01, gap),
            ball(-0.06, top * 0.62, d - 0.01, knob, knob, 0.03, CHROME),
            ball(0.06, top * 0.62, d - 0.01, knob, knob, 0.03, CHROME),
        ]
    return Piece(5, parts, w + 0.03, d + 0.01, top + 0.22)


def chair(dice: Dice) -> Piece:
    """Seat, four legs, and a tall back of a panel or slats."""
    frame = wood(dice) if dice.chance(0.7) else Material(dice.tint(dice.pick(FABRICS)), gloss=0.2)
    seat_cloth = fabric(dice) if dice.chance(0.5) else frame
    w, d = dice.uniform(0.21, 0.27), dice.uniform(0.20, 0.25)
    seat, back = dice.uniform(0.43, 0.50), dice.uniform(0.88, 1.08)
    thick = dice.uniform(0.022, 0.032)
    parts = [
        box(0, seat, 0, w, 0.035, d, seat_cloth),
        *_legs(w - thick, d - thick, seat, thick, frame),
    ]
    rise = (back - seat) / 2
    if dice.chance(0.5):
        parts.append(box(0, seat + rise + 0.06, -d + 0.02, w, rise - 0.06, 0.022, seat_cloth))
    else:
        parts += [box(s * (w - thick), seat + rise, -d + thick, thick, rise, thick, frame) for s in (-1, 1)]
        parts += [box(0, seat + rise * h, -d + thick, w, 0.05, 0.015, frame) for h in (0.75, 1.3, 1.85)]
    return Piece(6, parts, w, d, back)


def tv(dice: Dice) -> Piece:
    """A wide dark screen in a thin frame; its stand is placed by the room."""
    w = dice.uniform(0.55, 0.85)
    h = w * dice.uniform(0.54, 0.60)
    frame = Material(dice.tint((0.09, 0.09, 0.10), 0.04), gloss=0.2)
    if dice.chance(0.6):
        picture = Material(dice.tint((0.13, 0.14, 0.17), 0.05), gloss=0.7)
    else:
        first, second = dice.tint((0.25, 0.42, 0.62), 0.2), dice.tint((0.45, 0.62, 0.42), 0.2)
        picture = Material(first, second, dice.pick((STRIPES, CHECKS)), dice.uniform(1.0, 2.0), 0.5, SCREEN)
    rim = 0.035
    parts = [
        box(0, h, 0, w, h, 0.03, frame),
        box(0, h, 0.03, w - rim, h - rim, 0.006, picture),
    ]
    return Piece(7, parts, w, 0.045, 2 * h)


def bottle(dice: Dice) -> Piece:
    """Body, shoulder, neck, cap and sometimes a label; large, as images are small."""
    glass = Material(dice.tint(dice.pick(GLASSES), 0.06), gloss=0.7)
    r, h = dice.uniform(0.085, 0.13), dice.uniform(0.42, 0.62)
    cap = Material(dice.tint((0.7, 0.6, 0.3), 0.25), gloss=0.3)
    body, neck = h * 0.56, r * dice.uniform(0.32, 0.42)
    parts = [
        tube(0, body / 2, 0, r, body / 2, r, glass),
        ball(0, body, 0, r, h * 0.17, r, glass),
        tube(0, (body + h) / 2, 0, neck, (h - body) / 2, neck, glass),
        tube(0, h - 0.02, 0, neck * 1.2, 0.03, neck * 1.2, cap),
    ]
    if dice.chance(0.6):
        paper = Material(dice.tint((0.88, 0.84, 0.72), 0.1), dice.tint((0.6, 0.3, 0.25), 0.2), STRIPES, 3.0)
        parts.append(tube(0, body * 0.52, 0, r * 1.03, body * 0.24, r * 1.03, paper))
    return Piece(8, parts, r, r, h + 0.01)


def potted_plant(dice: Dice) -> Piece:
    """A pot with a rim and a crown of leaf clusters, sometimes on a stem."""
    clay = Material(dice.tint(dice.pick(POTS), 0.06), gloss=0.1)
    r, pot = dice.uniform(0.15, 0.21), dice.uniform(0.24, 0.36)
    stem, spread = dice.uniform(0.05, 0.40), dice.uniform(0.20, 0.32)
    green = dice.pick(LEAVES)
    crown = pot + stem + spread
    parts = [
        tube(0, pot / 2, 0, r * 0.86, pot / 2, r * 0.86, clay),
        tube(0, pot - 0.03, 0, r, 0.035, r, clay),
        tube(0, pot + stem / 2, 0, 0.03, stem / 2 + 0.1, 0.03, Material((0.36, 0.26, 0.16))),
    ]
    height = crown
    for i in range(dice.integer(5, 8)):
        colour = dice.tint(green, 0.08)
        dark = (colour[0] * 0.5, colour[1] * 0.6, colour[2] * 0.5)
        leaf = Material(colour, dark, SPECKLE, dice.uniform(10, 18))
        x, z = dice.uniform(-spread, spread) * 0.75, dice.uniform(-spread, spread) * 0.75
        y = crown + dice.uniform(-0.7, 0.7 + 0.1 * i) * spread
        size = spread * dice.uniform(0.35, 0.55)
        parts.append(ball(x, y, z, size * dice.uniform(0.6, 1.1), size * dice.uniform(0.9, 1.5), size, leaf))
        height = max(height, y + 1.5 * size)
    reach = max(r, spread * 1.36)
    return Piece(9, parts, reach, reach, height)


BUILDERS: tuple[Callable[[Dice], Piece], ...] = (
    refrigerator, table, toilet, sofa, bed, sink, chair, tv, bottle, potted_plant,
)  # fmt: skip
"""In the order of ``family.CLASSES``."""
