"""One piece of furniture in a bare room, and a camera that looks at it. No pixels yet."""

from __future__ import annotations

import numpy as np

from ttt_bench.domains.rooms import decor
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.domains.rooms.furniture import BUILDERS
from ttt_bench.domains.rooms.parts import Dice, Piece
from ttt_bench.domains.rooms.scene import Camera, Scene, Vector, look_at

SIZE = (4.6, 2.6, 5.0)
"""Metres of a stage of average size."""


def build_stage(rng: np.random.Generator, label: int) -> Scene:
    """A random piece of class ``label``, turned, lit and framed at random."""
    dice = Dice(rng)
    scale = dice.uniform(0.85, 1.1)
    size = (SIZE[0] * scale, SIZE[1] * dice.uniform(0.95, 1.08), SIZE[2] * scale)
    piece = BUILDERS[label](dice)
    pieces = _place(dice, piece, size)
    if dice.chance(0.4):
        pieces.append(_at(decor.rug(dice), size[0] * dice.uniform(0.35, 0.65), size[2] * dice.uniform(0.3, 0.5)))
    if dice.chance(0.4):
        _hang(dice, pieces, size)
    wall = decor.wall_material(dice)
    side = decor.wall_material(dice) if dice.chance(0.35) else wall
    surfaces = (side, wall, decor.floor_material(dice), decor.ceiling_material(dice), wall, side)
    return Scene(
        size=size,
        surfaces=surfaces,
        pieces=tuple(pieces),
        camera=_camera(dice, piece, size),
        ceiling_light=(size[0] * dice.uniform(0.3, 0.7), size[1] - 0.25, size[2] * dice.uniform(0.35, 0.7)),
        window_light=(size[0] * dice.pick((0.08, 0.92)), size[1] * 0.6, size[2] * dice.uniform(0.3, 0.7)),
        lamp_light=(size[0] * dice.uniform(0.15, 0.85), 1.4, size[2] * dice.uniform(0.3, 0.7)),
    )


def _place(dice: Dice, piece: Piece, size: Vector) -> list[Piece]:
    """The piece well inside the room, its front towards the camera give or take 60 degrees."""
    half_turn = dice.uniform(-0.55, 0.55)  # tangent of half the turn: rational, hence exact
    square = half_turn * half_turn
    piece.turn((1 - square) / (1 + square), 2 * half_turn / (1 + square))
    piece.x = size[0] * dice.uniform(0.4, 0.6)
    piece.z = piece.extents[1] + dice.uniform(0.1, 0.7)
    if piece.label != CLASSES.index("tv"):
        return [piece]
    stand = _at(decor.cabinet(dice), piece.x, piece.z)
    stand.turn(piece.cos, piece.sin)
    piece.y = stand.support + 0.03
    return [stand, piece]


def _at(piece: Piece, x: float, z: float) -> Piece:
    piece.turn(1.0, 0.0)
    piece.x, piece.z = x, z
    return piece


def _hang(dice: Dice, pieces: list[Piece], size: Vector) -> None:
    """A picture on the far wall, perhaps half hidden."""
    picture = _at(decor.picture(dice), size[0] * dice.uniform(0.2, 0.8), 0.0)
    picture.y = dice.uniform(1.1, 1.6)
    pieces.append(picture)


def _camera(dice: Dice, piece: Piece, size: Vector) -> Camera:
    """Two to three metres away, with the piece filling half to all of the image, not quite in its middle."""
    reach = 0.5 * max(2 * max(piece.extents), piece.height)
    distance = min(dice.uniform(1.8, 2.8) + 0.6 * reach, size[2] - piece.z - 0.15)
    height = piece.y + piece.height / 2
    position = (
        min(max(piece.x + dice.uniform(-0.5, 0.5), 0.2), size[0] - 0.2),
        min(max(height + dice.uniform(0.15, 0.9), 0.5), size[1] - 0.2),
        piece.z + distance,
    )
    shift = 0.2 * reach
    target = (piece.x + dice.uniform(-shift, shift), height + dice.uniform(-shift, shift), piece.z)
    tangent = reach / distance / dice.uniform(0.55, 0.95)
    return look_at(position, target, dice.uniform(-0.08, 0.08), tangent)
