"""From a scene to exact per-pixel geometry: ray casting with one box of pixels per piece. Numpy only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.rooms.parts import BOX, CYLINDER, ELLIPSOID, ROOM, UNLABELLED, Material, Part, Piece
from ttt_bench.domains.rooms.scene import Camera, Scene

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
FAR = np.float32(1e9)

# Columns of the table of parts.
KIND, CENTRE, HALF, TURN, ORIGIN, LABEL, INSTANCE = 0, 1, 4, 7, 9, 12, 13
COLOUR, SECOND, PATTERN, FREQUENCY, GLOSS, GLOW = 14, 17, 20, 21, 22, 23


@dataclass(frozen=True)
class Frame:
    """What every pixel sees, independent of any look. Vectors are (3, H, W), the rest (H, W)."""

    depth: Floats
    """Metres along the optical axis."""
    point: Floats
    """World position of the surface."""
    normal: Floats
    """Unit, world frame, towards the viewer's side of the surface."""
    local: Floats
    """Position in the frame of the piece."""
    local_normal: Floats
    part: Ints
    instance: Ints
    label: npt.NDArray[np.uint8]
    surface: Floats
    """(10, H, W): the material columns COLOUR.. of each pixel's part."""
    focal: float
    """Pixels."""


def cast(scene: Scene, size: tuple[int, int]) -> Frame:
    """Render ``scene`` to exact geometry.

    Args:
        scene: the room.
        size: (H, W) in pixels; the field of view is measured along the geometric mean of the two.
    """
    height, width = size
    focal = 0.5 * math.sqrt(height * width) / scene.camera.tangent
    rays = _rays(scene.camera, size, focal)
    depth, part = _cast_room(scene, rays)
    table = [_room_row(scene, k) for k in range(6)]
    for instance, piece in enumerate(scene.pieces, start=1):
        window = _window(scene.camera, piece, size, focal)
        if window is not None:
            rows, columns = window
            near, which = _cast_piece(scene.camera.position, piece, rays[:, rows, columns])
            closer = near < depth[rows, columns]
            np.copyto(depth[rows, columns], near, where=closer)
            np.copyto(part[rows, columns], which + np.int32(len(table)), where=closer)
        table.extend(_row(p, piece, instance) for p in piece.parts)
    return _shade_deferred(np.asarray(table, np.float32), rays, scene.camera, depth, part, focal)


def _rays(camera: Camera, size: tuple[int, int], focal: float) -> Floats:
    """(3, H, W) world directions whose component along the axis is 1, so that t is the depth."""
    height, width = size
    x = ((np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)) / np.float32(focal))[None, :]
    y = (-(np.arange(height, dtype=np.float32) + np.float32(0.5 - height / 2)) / np.float32(focal))[:, None]
    rays = np.empty((3, height, width), np.float32)
    axes = np.asarray((camera.forward, camera.right, camera.up), np.float32)
    for k in range(3):
        rays[k] = axes[0, k] + x * axes[1, k] + y * axes[2, k]
    rays[np.abs(rays) < 1e-7] = 1e-7  # a ray exactly parallel to a face would divide by zero
    return rays


def _cast_room(scene: Scene, rays: Floats) -> tuple[Floats, Ints]:
    origin = np.asarray(scene.camera.position, np.float32)[:, None, None]
    ahead = rays > 0
    wall = np.where(ahead, np.asarray(scene.size, np.float32)[:, None, None], np.float32(0))
    t = (wall - origin) / rays
    axis = t.argmin(0)
    depth = t.min(0)
    side = np.take_along_axis(ahead, axis[None], 0)[0]
    return depth, (2 * axis + side).astype(np.int32)


def _room_row(scene: Scene, plane: int) -> list[float]:
    half = tuple(s / 2 for s in scene.size)
    return [
        float(ROOM), *half, *half, 1.0, 0.0, 0.0, 0.0, 0.0, float(UNLABELLED), 0.0,
        *_material_row(scene.surfaces[plane]),
    ]  # fmt: skip


def _row(part: Part, piece: Piece, instance: int) -> list[float]:
    return [
        float(part.kind), *part.centre, *part.half, piece.cos, piece.sin, piece.x, piece.y, piece.z,
        float(piece.label), float(instance), *_material_row(part.material),
    ]  # fmt: skip


def _material_row(m: Material) -> list[float]:
    return [*m.colour, *m.second, float(m.pattern), m.frequency, m.gloss, float(m.glow)]


def _window(camera: Camera, piece: Piece, size: tuple[int, int], focal: float) -> tuple[slice, slice] | None:
    """The rows and columns that can see ``piece``; None when it is behind the camera or outside the image."""
    height, width = size
    columns, rows = [], []
    behind = 0
    for sx in (-1, 1):
        for sz in (-1, 1):
            x = piece.x + piece.cos * sx * piece.half_width + piece.sin * sz * piece.half_depth
            z = piece.z - piece.sin * sx * piece.half_width + piece.cos * sz * piece.half_depth
            for y in (piece.y - 0.01, piece.y + piece.height + 0.01):
                u, v, depth = camera.project((x, y, z))
                if depth < 0.05:
                    behind += 1
                else:
                    columns.append(width / 2 + focal * u / depth)
                    rows.append(height / 2 - focal * v / depth)
    if behind == 8:
        return None
    if behind:
        return slice(0, height), slice(0, width)
    r0, r1 = max(0, math.floor(min(rows)) - 1), min(height, math.ceil(max(rows)) + 1)
    c0, c1 = max(0, math.floor(min(columns)) - 1), min(width, math.ceil(max(columns)) + 1)
    return (slice(r0, r1), slice(c0, c1)) if r0 < r1 and c0 < c1 else None


def _cast_piece(eye: tuple[float, float, float], piece: Piece, rays: Floats) -> tuple[Floats, Ints]:
    """Nearest hit of each ray with the parts of ``piece``: depth (h, w) and index into ``piece.parts``."""
    c, s = np.float32(piece.cos), np.float32(piece.sin)
    d = np.stack((c * rays[0] - s * rays[2], rays[1], s * rays[0] + c * rays[2]))
    d[np.abs(d) < 1e-7] = 1e-7
    dx, dz = eye[0] - piece.x, eye[2] - piece.z
    o = (piece.cos * dx - piece.sin * dz, eye[1] - piece.y, piece.sin * dx + piece.cos * dz)
    best = np.full(rays.shape[1:], FAR, np.float32)
    which = np.zeros(rays.shape[1:], np.int32)
    for kind, intersect in ((BOX, _boxes), (ELLIPSOID, _ellipsoids), (CYLINDER, _cylinders)):
        members = [i for i, part in enumerate(piece.parts) if part.kind == kind]
        if not members:
            continue
        # Everything relative to the eye, in the piece's axes: (parts, 3, 1, 1).
        centres = [[piece.parts[i].centre[k] - o[k] for k in range(3)] for i in members]
        centre = np.asarray(centres, np.float32)
        half = np.asarray([piece.parts[i].half for i in members], np.float32)
        t = intersect(centre[:, :, None, None], half[:, :, None, None], d)
        first = t.argmin(0)
        near = np.take_along_axis(t, first[None], 0)[0]
        closer = near < best
        np.copyto(best, near, where=closer)
        np.copyto(which, np.asarray(members, np.int32)[first], where=closer)
    return best, which


def _boxes(centre: Floats, half: Floats, d: Floats) -> Floats:
    inverse = np.float32(1) / d
    middle = centre * inverse
    reach = half * np.abs(inverse)
    near = (middle - reach).max(1)
    far = (middle + reach).min(1)
    return np.where((near < far) & (near > 0), near, FAR)


def _ellipsoids(centre: Floats, half: Floats, d: Floats) -> Floats:
    u, q = d / half, centre / half
    a = (u * u).sum(1)
    b = (u * q).sum(1)
    discriminant = b * b - a * ((q * q).sum(1) - np.float32(1))
    t = (b - np.sqrt(np.maximum(discriminant, 0))) / a
    return np.where((discriminant > 0) & (t > 0), t, FAR)


def _cylinders(centre: Floats, half: Floats, d: Floats) -> Floats:
    ux, uz = d[0] / half[:, 0], d[2] / half[:, 2]
    qx, qz = centre[:, 0] / half[:, 0], centre[:, 2] / half[:, 2]
    a = ux * ux + uz * uz
    b = ux * qx + uz * qz
    discriminant = b * b - a * (qx * qx + qz * qz - np.float32(1))
    root = np.sqrt(np.maximum(discriminant, 0)) / a
    inverse = np.float32(1) / d[1]
    reach = half[:, 1] * np.abs(inverse)
    middle = centre[:, 1] * inverse
    near = np.maximum(b / a - root, middle - reach)
    far = np.minimum(b / a + root, middle + reach)
    return np.where((discriminant > 0) & (near < far) & (near > 0), near, FAR)


def _shade_deferred(table: Floats, rays: Floats, camera: Camera, depth: Floats, part: Ints, focal: float) -> Frame:
    """Positions and normals for the winning part of each pixel only."""
    rows = np.ascontiguousarray(table.T)[:, part]
    point = rays * depth
    for k in range(3):
        point[k] += np.float32(camera.position[k])
    c, s = rows[TURN], rows[TURN + 1]
    rel = point - rows[ORIGIN : ORIGIN + 3]
    local = np.stack((c * rel[0] - s * rel[2], rel[1], s * rel[0] + c * rel[2]))
    n = _local_normals(rows, local, part)
    normal = np.stack((c * n[0] + s * n[2], n[1], -s * n[0] + c * n[2]))
    return Frame(
        depth=depth,
        point=point,
        normal=normal,
        local=local,
        local_normal=n,
        part=part,
        instance=rows[INSTANCE].astype(np.int32),
        label=rows[LABEL].astype(np.uint8),
        surface=rows[COLOUR:],
        focal=focal,
    )


def _local_normals(rows: Floats, local: Floats, part: Ints) -> Floats:
    kind = rows[KIND]
    half = rows[HALF : HALF + 3]
    q = (local - rows[CENTRE : CENTRE + 3]) / half
    size = np.abs(q)
    flat = np.zeros_like(q)
    axis = np.where(kind == ROOM, part // 2, size.argmax(0))[None]
    outward = np.where(np.take_along_axis(q, axis, 0) > 0, np.float32(1), np.float32(-1))
    np.put_along_axis(flat, axis, outward, 0)
    flat = np.where(kind == ROOM, -flat, flat)
    round_ = q / half
    cylinder = kind == CYLINDER
    round_[1] = np.where(cylinder, 0, round_[1])
    norm = np.sqrt(round_[0] ** 2 + round_[1] ** 2 + round_[2] ** 2)
    round_ /= np.maximum(norm, np.float32(1e-9))
    cap = cylinder & (size[1] > np.sqrt(q[0] ** 2 + q[2] ** 2))
    cap_normal = np.zeros_like(q)
    cap_normal[1] = np.where(q[1] > 0, np.float32(1), np.float32(-1))
    is_flat = (kind == BOX) | (kind == ROOM)
    return np.where(is_flat, flat, np.where(cap, cap_normal, round_)).astype(np.float32)
