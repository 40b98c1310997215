"""One room: its size, surfaces, furniture, lights and the camera in it. No pixels yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ttt_bench.domains.rooms import decor
from ttt_bench.domains.rooms.family import CLASSES
from ttt_bench.domains.rooms.parts import LAMP, UNLABELLED, Dice, Material, Piece
from ttt_bench.domains.rooms.worlds import USUAL, World

Vector = tuple[float, float, float]

MARGIN = 0.03
"""Metres kept free around a piece."""
FEWEST = 4
"""Rooms into which fewer labelled pieces fit are drawn again."""

AT_MOST = {
    "refrigerator": 1, "table": 2, "toilet": 2, "sofa": 2, "bed": 1, "sink": 2, "chair": 3, "tv": 1,
    "bottle": 4, "potted plant": 3,
}  # fmt: skip
BIG_FIRST = (
    "bed", "sofa", "refrigerator", "toilet", "sink", "tv", "table", "chair", "potted plant", "bottle",
)  # fmt: skip
FREE_STANDING = ("table", "chair", "bottle", "potted plant")


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; the three axes are orthonormal world vectors."""

    position: Vector
    right: Vector
    up: Vector
    forward: Vector
    tangent: float
    """Half the image's geometric-mean side length in units of its distance: tan(fov / 2)."""

    def project(self, point: Vector) -> Vector:
        """World point -> (x to the right, y up, depth along the axis), metres."""
        rel = [point[k] - self.position[k] for k in range(3)]
        return tuple(sum(rel[k] * axis[k] for k in range(3)) for axis in (self.right, self.up, self.forward))  # type: ignore[return-value]


@dataclass(frozen=True)
class Scene:
    """Everything that the labels depend on, and the surfaces and lights that all looks share."""

    size: Vector
    """Width (x), height (y), depth (z) of the room in metres; it spans 0..size."""
    surfaces: tuple[Material, ...]
    """Of the planes x=0, x=max, floor, ceiling, z=0, z=max."""
    pieces: tuple[Piece, ...]
    camera: Camera
    ceiling_light: Vector
    window_light: Vector
    lamp_light: Vector
    theme: int = 0
    """Place in the themes of its world: what kind of room it is."""


def build_scene(rng: np.random.Generator, world: World = USUAL) -> Scene:
    """A random room with 4 to 9 labelled pieces."""
    dice = Dice(rng)
    while True:
        theme, scale = dice.pick(world.themes)
        size = (scale * dice.uniform(3.0, 4.6), dice.uniform(2.3, 2.8), scale * dice.uniform(3.2, 4.8))
        camera = _camera(dice, size, world)
        room = _Room(dice, size, camera, world)
        room.furnish(theme)
        if sum(piece.label != UNLABELLED for piece in room.pieces) >= FEWEST:
            return _finish(dice, room, world.themes.index((theme, scale)))


def _finish(dice: Dice, room: _Room, theme: int) -> Scene:
    """Hang up pictures, choose surfaces and put up the lights."""
    size, camera = room.size, room.camera
    windows = room.decorate()
    room.litter()
    wall = decor.wall_material(dice)
    accent = decor.wall_material(dice) if dice.chance(0.35) else wall
    surfaces = (wall, wall, decor.floor_material(dice), decor.ceiling_material(dice), accent, wall)
    width, height, depth = size
    lamps = [p for p in room.pieces if p.parts[-1].material.glow == LAMP and p.y == 0 and p.height < 1.9]
    lamp = lamps[0] if lamps else None
    return Scene(
        size=size,
        surfaces=surfaces,
        pieces=tuple(room.pieces),
        camera=camera,
        ceiling_light=(
            width * dice.uniform(0.35, 0.65),
            height - dice.uniform(0.15, 0.4),
            depth * dice.uniform(0.35, 0.7),
        ),
        window_light=windows or (width * dice.pick((0.1, 0.9)), height * 0.6, depth * dice.uniform(0.3, 0.7)),
        lamp_light=(lamp.x, lamp.height - 0.1, lamp.z + 0.25)
        if lamp
        else (width * dice.uniform(0.15, 0.85), 1.4, depth * dice.uniform(0.15, 0.5)),
        theme=theme,
    )


def _normalised(v: Vector) -> Vector:
    norm = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return v[0] / norm, v[1] / norm, v[2] / norm


def _cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _camera(dice: Dice, size: Vector, world: World) -> Camera:
    """At the front of the room, looking down its length at somewhere between floor and table height."""
    width, _, depth = size
    position = (width * dice.uniform(0.22, 0.78), dice.uniform(*world.height), depth - dice.uniform(0.12, 0.45))
    target = (width * dice.uniform(0.3, 0.7), dice.uniform(*world.aim), depth * dice.uniform(*world.reach))
    return look_at(position, target, dice.uniform(-world.roll, world.roll), dice.uniform(*world.lens))


def look_at(position: Vector, target: Vector, roll: float, tangent: float) -> Camera:
    """A camera at ``position`` with ``target`` in the middle of its image; ``roll`` tilts it a little."""
    forward = _normalised((target[0] - position[0], target[1] - position[1], target[2] - position[2]))
    right = _normalised(_cross(forward, (roll, 1.0, 0.0)))
    return Camera(position, right, _cross(right, forward), forward, tangent)


class _Room:
    """Places pieces one after the other: on the floor, at walls, on other pieces; never into each other."""

    TRIES = 14

    def __init__(self, dice: Dice, size: Vector, camera: Camera, world: World) -> None:
        self.dice, self.size, self.camera, self.world = dice, size, camera, world
        self.pieces: list[Piece] = []
        self._taken: list[tuple[float, float, float, float]] = []
        self._wall_spans: list[tuple[int, float, float]] = []
        self._free_tops: list[Piece] = []

    def furnish(self, theme: dict[str, float]) -> None:
        """Draw labelled pieces from ``theme`` and place them, big ones first."""
        weights = dict(theme)
        left = dict(AT_MOST)
        wanted: list[str] = []
        for _ in range(self.dice.integer(6, 9)):
            names = [name for name in weights if left[name] > 0]
            pick = self.dice.draw() * sum(weights[name] for name in names)
            for name in names:
                pick -= weights[name]
                if pick <= 0:
                    break
            left[name] -= 1
            weights[name] *= 0.6  # a second one of the same kind is less likely
            wanted.append(name)
        for name in sorted(wanted, key=BIG_FIRST.index):
            self._place(name)

    def _place(self, name: str) -> None:
        piece = self.world.builders[CLASSES.index(name)](self.dice)
        if name == "tv":
            self._place_tv(piece)
        elif name == "bottle" and self._free_tops and self.dice.chance(0.75):
            self._stand_on_top(piece)
        elif name in FREE_STANDING and not (name == "table" and self.dice.chance(0.3)):
            self._place_free(piece, against_wall=False)
        else:
            self._place_free(piece, against_wall=True)

    def _place_free(self, piece: Piece, against_wall: bool) -> bool:
        for _ in range(self.TRIES):
            (self._at_wall if against_wall else self._anywhere)(piece)
            if self._fits(piece) and self._in_view(piece):
                self._add(piece)
                if piece.support:
                    self._free_tops.append(piece)
                return True
        return False

    def _place_tv(self, piece: Piece) -> None:
        """On the wall, or on a cabinet at the wall."""
        if self.dice.chance(0.5):
            stand = decor.cabinet(self.dice)
            if self._place_free(stand, against_wall=True):
                self._free_tops.remove(stand)
                piece.turn(stand.cos, stand.sin)
                piece.x, piece.y, piece.z = stand.x, stand.support + 0.03, stand.z
                self.pieces.append(piece)
                return
        for _ in range(self.TRIES):
            self._at_wall(piece)
            piece.y = self.dice.uniform(0.75, 1.05)
            if self._fits(piece) and self._in_view(piece):
                self._add(piece)
                return

    def _stand_on_top(self, piece: Piece) -> None:
        base = self.dice.pick(self._free_tops)
        reach_x, reach_z = 0.6 * base.half_width, 0.5 * base.half_depth
        dx, dz = self.dice.uniform(-reach_x, reach_x), self.dice.uniform(-reach_z, reach_z)
        piece.x = base.x + base.cos * dx + base.sin * dz
        piece.z = base.z - base.sin * dx + base.cos * dz
        piece.y = base.support
        piece.turn(1.0, 0.0)
        clear = all(
            (piece.x - o.x) ** 2 + (piece.z - o.z) ** 2 > 0.09
            for o in self.pieces
            if o.y == base.support and o.label == piece.label
        )
        if clear:
            self.pieces.append(piece)

    def _at_wall(self, piece: Piece, gap: float = 0.02) -> int:
        """Back to a wall: 0 the far one (most likely), 1 the left, 2 the right."""
        width, _, depth = self.size
        roll = self.dice.draw()
        if roll < 0.56:
            piece.turn(1.0, 0.0)
            piece.x, piece.z = self.dice.uniform(0.05, 0.95) * width, piece.half_depth + gap
            return 0
        side = 1 if roll < 0.78 else 2
        piece.turn(0.0, 1.0 if side == 1 else -1.0)
        offset = piece.half_depth + gap
        piece.x = offset if side == 1 else width - offset
        piece.z = self.dice.uniform(0.05, 0.7) * depth
        return side

    def _anywhere(self, piece: Piece) -> None:
        width, _, depth = self.size
        tangent = self.dice.uniform(-0.5, 0.5)  # of half the extra turn: rational, hence exact
        cos, sin = (1 - tangent * tangent) / (1 + tangent * tangent), 2 * tangent / (1 + tangent * tangent)
        if piece.label == CLASSES.index("table"):
            cos, sin = self.dice.pick(((1.0, 0.0), (0.0, 1.0)))
        elif self.dice.chance(0.5):
            cos, sin = self.dice.pick(((sin, cos), (-sin, cos), (cos, -sin), (-cos, sin), (-cos, -sin)))
        piece.turn(cos, sin)
        piece.x, piece.z = self.dice.uniform(0.08, 0.92) * width, self.dice.uniform(0.08, 0.72) * depth

    def _fits(self, piece: Piece) -> bool:
        ex, ez = piece.extents
        x0, x1, z0, z1 = piece.x - ex, piece.x + ex, piece.z - ez, piece.z + ez
        if x0 < 0.005 or z0 < 0.005 or x1 > self.size[0] - 0.005 or z1 > self.size[2] - 0.6:
            return False
        cx, _, cz = self.camera.position
        if max(x0 - cx, cx - x1, z0 - cz, cz - z1) < 0.75:
            return False
        return not any(x0 < b and a < x1 and z0 < d and c < z1 for a, b, c, d in self._taken)

    def _in_view(self, piece: Piece) -> bool:
        x, y, depth = self.camera.project((piece.x, piece.y + piece.height / 2, piece.z))
        reach = self.camera.tangent * depth
        return depth > 0.9 and abs(x) < 0.9 * reach and abs(y) < 1.1 * reach

    def _add(self, piece: Piece) -> None:
        ex, ez = piece.extents
        ex, ez = ex + MARGIN, ez + MARGIN
        self._taken.append((piece.x - ex, piece.x + ex, piece.z - ez, piece.z + ez))
        self.pieces.append(piece)

    def decorate(self) -> Vector | None:
        """Unlabelled things; gives the place of the window's light, if there is a window."""
        dice = self.dice
        light: Vector | None = None
        if dice.chance(0.75):
            piece = decor.window(dice)
            if self._hang(piece, dice.uniform(0.95, 1.2)):
                light = (piece.x + 0.5 * piece.sin, piece.y + 0.5, piece.z + 0.5 * piece.cos)
        if dice.chance(0.45):
            self._hang(decor.door(dice), 0.0)
        for _ in range(dice.integer(0, 2)):
            self._hang(decor.picture(dice), dice.uniform(1.2, 1.6))
        if dice.chance(0.4):
            self._place_free(decor.floor_lamp(dice), against_wall=True)
        if dice.chance(0.4):
            piece = decor.rug(dice)
            piece.turn(1.0, 0.0)
            piece.x, piece.z = dice.uniform(0.35, 0.65) * self.size[0], dice.uniform(0.3, 0.6) * self.size[2]
            self.pieces.append(piece)
        if dice.chance(0.3):
            piece = decor.ceiling_lamp(dice, self.size[1])
            piece.turn(1.0, 0.0)
            piece.x, piece.z = self.size[0] / 2, self.size[2] * 0.4
            self.pieces.append(piece)
        return light

    def litter(self) -> None:
        """The clutter of a world that has any: on the floor, and hanging from the ceiling wherever the camera looks."""
        if not self.world.clutter[1]:
            return
        for _ in range(self.dice.integer(*self.world.clutter)):
            if self.dice.chance(0.6):
                self._place_free(decor.clutter(self.dice), against_wall=False)
            else:
                piece = decor.lantern(self.dice, self.size[1])
                piece.turn(1.0, 0.0)
                piece.x, piece.z = (
                    self.dice.uniform(0.1, 0.9) * self.size[0],
                    self.dice.uniform(0.1, 0.6) * self.size[2],
                )
                self.pieces.append(piece)

    def _hang(self, piece: Piece, height: float) -> bool:
        """On a wall, behind furniture perhaps, but not into another thing on the wall or a tall piece."""
        for _ in range(self.TRIES):
            wall = self._at_wall(piece, gap=-piece.half_depth)
            piece.y = height
            ex, ez = piece.extents
            along, half = (piece.x, ex) if wall == 0 else (piece.z, ez)
            limit = self.size[0] if wall == 0 else self.size[2]
            if along - half < 0.1 or along + half > limit - 0.1 or height + piece.height > self.size[1] - 0.1:
                continue
            if any(w == wall and abs(along - a) < half + h for w, a, h in self._wall_spans):
                continue
            if self._hidden(piece):
                continue
            self._wall_spans.append((wall, along, half + 0.05))
            self.pieces.append(piece)
            return True
        return False

    def _hidden(self, piece: Piece) -> bool:
        ex, ez = piece.extents
        return any(
            abs(o.x - piece.x) < o.extents[0] + ex and abs(o.z - piece.z) < o.extents[1] + ez
            for o in self.pieces
            if o.label in (CLASSES.index("tv"), CLASSES.index("refrigerator"))
        )
