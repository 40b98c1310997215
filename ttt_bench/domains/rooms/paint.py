"""From exact geometry and a look to an image: patterns, light, air, camera. Numpy only, exact arithmetic.

Light is linear; the display value is its square root (gamma 2), which IEEE 754 rounds exactly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ttt_bench.domains.rooms.cast import Floats, Frame
from ttt_bench.domains.rooms.looks import Look
from ttt_bench.domains.rooms.parts import CHECKS, LAMP, PLANKS, SCREEN, SPECKLE, STRIPES, TILES, WINDOW, Dice
from ttt_bench.domains.rooms.scene import Scene, Vector

ONE = np.float32(1)


def paint(frame: Frame, scene: Scene, look: Look, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """(H, W, 3) display RGB. ``rng`` decides what varies from shot to shot: exposure, noise, fog, ..."""
    dice = Dice(rng, 64)
    exposure = dice.uniform(*look.exposure)
    albedo = _albedo(frame)
    if look.print:
        albedo = _printed(albedo, frame, np.float32(look.print))
    light = _light(frame, scene, look) * np.float32(exposure)
    image = albedo**2 * light[:3] + light[3] * frame.surface[8]
    image += _glow(frame, albedo, look)
    if look.fog[1] > 0:
        image = _fog(image, frame.depth, dice.uniform(*look.fog), look)
    if look.glare:
        image += np.float32(look.glare) * _spread(np.maximum(image - np.float32(0.75), 0))
    if look.vignette:
        image *= _vignette(frame.depth.shape, look.vignette)
    image = image / (ONE + np.float32(0.18) * image)  # highlights roll off instead of clipping
    display = np.sqrt(np.clip(image * np.float32(1.15), 0, 1))
    display = _grade(display, look, dice)
    side = min(frame.depth.shape)
    for _ in range(max(1, round(look.blur * side / 64)) if look.blur else 0):
        display = _smooth(display, np.float32(0.25))
    display = _smooth(display, np.float32(0.08))  # every lens is a little soft; also tames jagged outlines
    display += _noise(display, look.noise, rng)
    levels = (np.clip(display, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def _albedo(frame: Frame) -> Floats:
    """(3, H, W) display-referred surface colour, with its pattern."""
    pattern, frequency = frame.surface[6], frame.surface[7]
    n = np.abs(frame.local_normal)
    u = np.where((n[0] > n[1]) & (n[0] > n[2]), frame.local[2], frame.local[0]) * frequency
    v = np.where(n[1] > np.float32(0.7), frame.local[2], frame.local[1]) * frequency
    iu, iv = np.floor(u), np.floor(v)
    fu, fv = u - iu, v - iv
    planks = _hash(iu, np.floor(v * np.float32(0.22) + _hash(iu, iu)))  # boards end at different places
    parity = (iu + iv) - 2 * np.floor((iu + iv) / 2)
    line = np.float32(0.07)
    mix = np.select(
        [pattern == STRIPES, pattern == CHECKS, pattern == TILES, pattern == PLANKS, pattern == SPECKLE],
        [
            np.clip(np.abs(2 * fu - ONE) * 4 - ONE * 1.5, 0, 1),
            parity,
            ((fu < line) | (fv < line)).astype(np.float32),
            np.where(fu < line, ONE, np.float32(0.8) * planks),
            _hash(np.floor(u * 3), np.floor(v * 3)),
        ],
        default=np.float32(0),
    )
    # A pattern finer than a pixel averages out instead of flickering.
    texel = frame.depth * frequency / np.float32(frame.focal)
    mix = mix * np.clip(np.float32(1.3) - texel * np.float32(2), 0, 1)
    first, second = frame.surface[0:3], frame.surface[3:6]
    return np.asarray(first + mix * (second - first), np.float32)


def _printed(albedo: Floats, frame: Frame, strength: np.float32) -> Floats:
    """Surfaces overprinted: stripes across, along or slanted, and lozenges, each part in a scale and ink of its own."""
    part = frame.part.astype(np.float32)
    kind, scale, hue = (_hash(part, np.full_like(part, salt)) for salt in (11, 12, 13))
    n = np.abs(frame.local_normal)
    repeats = np.float32(2.5) + np.float32(4) * scale
    u = np.where((n[0] > n[1]) & (n[0] > n[2]), frame.local[2], frame.local[0]) * repeats
    v = np.where(n[1] > np.float32(0.7), frame.local[2], frame.local[1]) * repeats
    stripe = np.select([kind < np.float32(0.3), kind < np.float32(0.5), kind < np.float32(0.75)], [u, v, u + v], u - v)
    lozenge = (np.floor(u + v) + np.floor(u - v)) * np.float32(0.5)
    wave = np.where(kind < np.float32(0.6), stripe - np.floor(stripe), lozenge - np.floor(lozenge))
    ink = np.stack((hue, ONE - hue, _hash(part, np.full_like(part, 14))))
    on = (wave < np.float32(0.5)).astype(np.float32) * strength
    return np.asarray(albedo + on * (ink - albedo), np.float32)


def _hash(a: Floats, b: Floats) -> Floats:
    """A fixed pseudo-random number in 0..1 for each pair of whole numbers."""
    first, second = (whole.astype(np.int32).astype(np.uint32) for whole in (a, b))
    mixed = first * np.uint32(0x9E3779B1) ^ second * np.uint32(0x85EBCA77)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(0x2C1B3C6D)
    mixed ^= mixed >> np.uint32(12)
    return ((mixed & np.uint32(0xFFFF)) / np.float32(65535)).astype(np.float32)


def _light(frame: Frame, scene: Scene, look: Look) -> Floats:
    """(4, H, W): light on each surface by colour channel, and the brightness of highlights."""
    total = np.empty((4, *frame.depth.shape), np.float32)
    closed = _closeness(frame, scene)
    facing_up = np.float32(0.85) + np.float32(0.15) * frame.normal[1]
    for k in range(3):
        total[k] = np.float32(look.ambient[k]) * facing_up * closed
    total[3] = 0
    sources = [
        (scene.ceiling_light, look.ceiling),
        (scene.window_light, look.window),
        (scene.lamp_light, look.lamp),
    ]
    strongest = max(range(3), key=lambda i: sum(sources[i][1]))
    for i, (place, power) in enumerate(sources):
        diffuse, highlight = _lamp(frame, scene.camera.position, place)
        if i == strongest:
            lit = ONE - np.float32(look.shadow) * _shadow(frame, scene, place)
            diffuse, highlight = diffuse * lit, highlight * lit
        diffuse = diffuse * (np.float32(0.5) + np.float32(0.5) * closed)
        for k in range(3):
            total[k] += np.float32(power[k]) * diffuse
        total[3] += np.float32(sum(power) / 3) * highlight
    return total


def _lamp(frame: Frame, eye: Vector, place: Vector) -> tuple[Floats, Floats]:
    """Diffuse light with softened fall-off, and the highlight towards the camera."""
    to = [np.float32(place[k]) - frame.point[k] for k in range(3)]
    squared = to[0] * to[0] + to[1] * to[1] + to[2] * to[2]
    distance = np.sqrt(squared)
    toward = (frame.normal[0] * to[0] + frame.normal[1] * to[1] + frame.normal[2] * to[2]) / distance
    wrapped = np.maximum(toward * np.float32(0.85) + np.float32(0.15), 0)  # light bounces round corners
    strength = ONE / (squared + np.float32(1.2))
    view = [np.float32(eye[k]) - frame.point[k] for k in range(3)]
    view_norm = np.sqrt(view[0] ** 2 + view[1] ** 2 + view[2] ** 2)
    half = [to[k] / distance + view[k] / view_norm for k in range(3)]
    norm = np.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2) + np.float32(1e-6)
    along = half[0] * frame.normal[0] + half[1] * frame.normal[1] + half[2] * frame.normal[2]
    shine = np.maximum(along / norm, 0)
    for _ in range(5):
        shine = shine * shine  # to the 32nd
    return wrapped * strength, shine * strength * np.float32(2.5)


def _shadow(frame: Frame, scene: Scene, place: Vector) -> Floats:
    """(H, W) 0..1: whether the way to the light runs through another piece's bounding box."""
    blocked = np.zeros(frame.depth.shape, np.float32)
    to = [np.float32(place[k]) - frame.point[k] for k in range(3)]
    inverse = [ONE / np.where(np.abs(t) < 1e-6, np.float32(1e-6), t) for t in to]
    for instance, piece in enumerate(scene.pieces, start=1):
        if not piece.casts_shadow:
            continue
        ex, ez = piece.extents
        bounds = (
            (piece.x - 0.92 * ex, piece.x + 0.92 * ex),
            (piece.y, piece.y + 0.92 * piece.height),
            (piece.z - 0.92 * ez, piece.z + 0.92 * ez),
        )
        near = np.zeros(frame.depth.shape, np.float32)
        far = np.ones(frame.depth.shape, np.float32)
        for k, (low, high) in enumerate(bounds):
            t1 = (np.float32(low) - frame.point[k]) * inverse[k]
            t2 = (np.float32(high) - frame.point[k]) * inverse[k]
            np.maximum(near, np.minimum(t1, t2), out=near)
            np.minimum(far, np.maximum(t1, t2), out=far)
        length = np.where(frame.instance == instance, 0, far - near)
        # A ray that only grazes the box is half lit: soft edges at no extra cost.
        np.maximum(blocked, np.clip(length * np.float32(6), 0, 1), out=blocked)
    return blocked


def _closeness(frame: Frame, scene: Scene) -> Floats:
    """(H, W) 0..1: less light reaches corners and the floor under and beside furniture."""
    x, y, z = frame.point
    width, height, depth = (np.float32(s) for s in scene.size)
    room = frame.instance == 0
    factor = np.ones(frame.depth.shape, np.float32)
    for k, gap in enumerate((np.minimum(x, width - x), np.minimum(y, height - y), np.minimum(z, depth - z))):
        own = np.abs(frame.normal[k]) > np.float32(0.9)
        shade = np.float32(0.72) + np.float32(0.28) * np.clip(gap / np.float32(0.5), 0, 1)
        factor *= np.where(own, ONE, shade)
    floor = room & (y < np.float32(0.02))
    for piece in scene.pieces:
        if piece.casts_shadow and piece.y < 0.02:
            ex, ez = piece.extents
            dx = np.maximum(np.abs(x - np.float32(piece.x)) - np.float32(ex * 0.9), 0)
            dz = np.maximum(np.abs(z - np.float32(piece.z)) - np.float32(ez * 0.9), 0)
            away = np.clip((dx + dz) / np.float32(0.22), 0, 1)
            factor = np.where(floor, factor * (np.float32(0.55) + np.float32(0.45) * away), factor)
    return factor


def _glow(frame: Frame, albedo: Floats, look: Look) -> Floats:
    kind = frame.surface[9]
    lamp, window, screen = (np.float32(g) for g in look.glow)
    sky = np.asarray(look.sky, np.float32)[:, None, None]
    strength = np.where(kind == LAMP, lamp, np.where(kind == SCREEN, screen, 0)).astype(np.float32)
    return strength * albedo + np.where(kind == WINDOW, window, 0).astype(np.float32) * sky * albedo


def _fog(image: Floats, depth: Floats, extinction: float, look: Look) -> Floats:
    """Beer-Lambert: e^-x as (1 - x/16)^16, which needs no exponential function."""
    base = np.maximum(ONE - depth * np.float32(extinction / 16), 0)
    clear = base * base
    for _ in range(3):
        clear = clear * clear
    air = np.asarray(look.air, np.float32)[:, None, None] ** 2
    return np.asarray(image * clear + air * (ONE - clear), np.float32)


def _spread(bright: Floats) -> Floats:
    """A wide soft halo: repeated box sums on a grid of 1/4 the size, enlarged again."""
    _, h, w = bright.shape
    step = max(1, min(h, w) // 16)
    rows, columns = -(-h // step), -(-w // step)
    padded = np.zeros((3, rows * step, columns * step), np.float32)
    padded[:, :h, :w] = bright
    small = np.zeros((3, rows, columns), np.float32)
    for i in range(step):  # explicit order of additions: the same sum on every machine
        for j in range(step):
            small += padded[:, i::step, j::step]
    small /= np.float32(step * step)
    for _ in range(3):
        small = _smooth(small, np.float32(0.3))
    return np.float32(3) * _enlarge(small, step)[:, :h, :w]


def _enlarge(small: Floats, step: int) -> Floats:
    """Bilinear enlargement by a whole factor."""
    for axis in (1, 2):
        n = small.shape[axis]
        place = (np.arange(n * step, dtype=np.float32) + np.float32(0.5)) / np.float32(step) - np.float32(0.5)
        low = np.clip(np.floor(place).astype(np.int32), 0, n - 1)
        high = np.minimum(low + 1, n - 1)
        share = np.clip(place - low, 0, 1).astype(np.float32)
        share = share[:, None] if axis == 1 else share
        first, second = small.take(low, axis), small.take(high, axis)
        small = first + share * (second - first)
    return small


def _vignette(shape: tuple[int, ...], strength: float) -> Floats:
    y = (np.arange(shape[0], dtype=np.float32) + np.float32(0.5)) / np.float32(shape[0]) * 2 - ONE
    x = (np.arange(shape[1], dtype=np.float32) + np.float32(0.5)) / np.float32(shape[1]) * 2 - ONE
    return ONE - np.float32(strength) * np.float32(0.5) * (y[:, None] ** 2 + x[None, :] ** 2)


def _grade(display: Floats, look: Look, dice: Dice) -> Floats:
    """Saturation, contrast, black level, colour cast and light leak of print and camera."""
    if look.saturation != 1.0:
        grey = display[0] * np.float32(0.3) + display[1] * np.float32(0.59) + display[2] * np.float32(0.11)
        display = grey + np.float32(look.saturation) * (display - grey)
    if look.contrast != 1.0 or look.lift:
        pivot = 0.0 if look.lift else 0.35
        display = (display - np.float32(pivot)) * np.float32(look.contrast) + np.float32(pivot + look.lift)
    if any(look.cast):
        shift = [dice.uniform(-c, c) for c in look.cast]
        display = display + np.asarray(shift, np.float32)[:, None, None]
    if look.wash:
        _, h, w = display.shape
        ramp = np.linspace(0, 1, w, dtype=np.float32)[None, :]
        ramp = ramp if dice.chance(0.5) else ONE - ramp
        veil = np.float32(look.wash * dice.uniform(0.3, 1.0)) * ramp**2
        leak = np.asarray([1.0, 0.82, 0.62], np.float32)[:, None, None]
        display = display + veil * (leak - display) * np.ones((1, h, 1), np.float32)
    return display


def _smooth(image: Floats, side: np.float32) -> Floats:
    """One pass of the separable kernel (side, 1 - 2 side, side), borders repeated."""
    for axis in (1, 2):
        n = image.shape[axis]
        before = image.take(np.maximum(np.arange(n) - 1, 0), axis)
        after = image.take(np.minimum(np.arange(n) + 1, n - 1), axis)
        image = image * (ONE - 2 * side) + (before + after) * side
    return image


def _noise(display: Floats, strength: float, rng: np.random.Generator) -> Floats:
    """Near-normal sensor noise (a sum of four random bytes: no logarithm), stronger where there is light."""
    c, h, w = display.shape
    raw = rng.integers(0, 256, size=(4, c, h, w), dtype=np.uint8)
    total = raw[0].astype(np.int32) + raw[1] + raw[2] + raw[3]
    unit = (total.astype(np.float32) - np.float32(510)) / np.float32(147.80)
    level = np.float32(0.4) + np.float32(1.2) * np.clip(display, 0, 1)
    return np.asarray(unit * level * np.float32(strength), np.float32)
