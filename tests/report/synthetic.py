"""Trajectories with known scores: statistics are built backwards from the values wanted."""

from __future__ import annotations

from itertools import product

import numpy as np

from ttt_bench.store import Trajectory

CLASSES = 4
PIXELS = 1000.0


def confusion(iou, batches=2):
    """(batches, steps, C, C) whose mean IoU is ``iou`` exactly: each class hits h, misses and mistakes m."""
    iou = np.atleast_1d(np.asarray(iou, dtype=float))
    miss = PIXELS * (1 - iou) / (1 + iou)
    table = np.zeros((batches, len(iou), CLASSES, CLASSES))
    for c in range(CLASSES):
        table[:, :, c, c] = PIXELS - miss
        table[:, :, c, (c + 1) % CLASSES] = miss
    return table


def moments(rmse, batches=2, mean=2.0, spread=1.0):
    """(batches, steps, 6) whose plain RMSE is ``rmse`` exactly (prediction = truth + uncorrelated noise)."""
    rmse = np.atleast_1d(np.asarray(rmse, dtype=float))
    n, g, gg = PIXELS, PIXELS * mean, PIXELS * (mean**2 + spread**2)
    rows = [np.array([n, g, g, gg + n * r * r, gg, gg]) for r in rmse]
    return np.broadcast_to(np.array(rows), (batches, len(rmse), 6)).copy()


def angles(degrees, batches=2):
    degrees = np.atleast_1d(np.asarray(degrees, dtype=float))
    near = PIXELS * np.clip(1 - degrees / 90, 0, 1)
    rows = np.stack([np.full_like(degrees, PIXELS), PIXELS * degrees, near / 4, near / 2, near], axis=-1)
    return np.broadcast_to(rows, (batches, *rows.shape)).copy()


BUILDERS = {
    "semseg": ("semseg/confusion", confusion),
    "depth": ("depth/moments", moments),
    "normal": ("normal/angles", angles),
    "edge": ("edge/moments", moments),
}


def trajectory(
    method,
    values,
    *,
    pair="rooms/studio->rooms/fog",
    protocol="online",
    recipe="native",
    training="shared",
    seed=0,
    size=(32, 32),
    steps=None,
    batches=2,
    loss=None,
    seconds=0.2,
    collapsed=None,
    options=None,
    statistics=None,
    examples=None,
    extra=None,
    provenance=None,
):
    """One cell's trajectory.

    ``values``: task -> metric value at each step (mIoU as a fraction).
    """
    count = len(next(iter(values.values())))
    steps = tuple(range(count)) if steps is None else tuple(steps)
    updates = max(steps[-1], 0)
    adapts = 0 if method == "base" else updates
    stats = {BUILDERS[task][0]: BUILDERS[task][1](series, batches) for task, series in values.items()} | (
        statistics or {}
    )
    cell = {
        "pair": pair,
        "method": method,
        "options": options or {},
        "protocol": protocol,
        "recipe": recipe,
        "training": training,
        "seed": seed,
        "size": list(size),
        "steps": steps[-1],
        "batch_size": 8,
        "tasks": list(values),
        "classes": ["floor", "wall", "box", "lamp", "bed"],
        "source": pair.split("->")[0],
        "target": pair.split("->")[-1],
        "source_fingerprint": "s0",
        "target_fingerprint": "t0",
        "checkpoint": f"c{seed}",
        "branch": f"{method}{seed}",
        "changed": sorted(options or {}),
    } | (extra or {})
    if loss is None:
        loss = np.full(adapts, np.nan) if method in ("base", "bn") else np.exp(-np.arange(adapts) / 4.0)
    return Trajectory(
        cell_id=f"{pair}-{method}-{protocol}-{recipe}-{training}-{seed}-{sorted((options or {}).items())}".replace(
            "/", "_"
        ).replace(">", ""),
        cell=cell,
        provenance={
            "git_sha": "abc123",
            "versions": {"torch": "2.0"},
            "device": "cpu",
        }
        | (provenance or {}),
        eval_steps=steps,
        statistics=stats,
        loss=np.broadcast_to(np.asarray(loss, dtype=float), (batches, len(loss))),
        seconds=np.full((batches, adapts), seconds),
        eval_seconds=np.full((batches, len(steps)), 0.1),
        forwards=np.full((batches, adapts), 1.0),
        backwards=np.full((batches, adapts), 0.0 if method == "bn" else 1.0),
        summary={
            "peak_memory_bytes": 64 * 2**20,
            "parameters_total": 1_500_000,
            "parameters_updated": 0 if method in ("base", "bn") else 20_000,
            "collapsed_step": collapsed,
        },
        examples=examples or {},
    )


def save(folder, *trajectories):
    """Write trajectories where a sweep would."""
    for number, item in enumerate(trajectories):
        item.save(folder / "cells" / f"{number:04d}_{item.cell['method']}.npz")
    return folder


METHODS = {
    "base": (0, 0, 0, 0.0), "bn": (12, 3, 6, 0.1), "tent": (14, 4, 8, 0.9), "tipi": (22, 6, 9, 0.3),
    "ttt": (18, 5, 20, 0.2), "tttpp": (20, 3, 21, 0.4), "tttflow": (35, 4, 22, 0.2), "clust3": (19, 3, 20, 0.3),
    "actmad": (-3, -1, 6, 0.5), "nctt": (28, 4, 18, 0.2), "s4t": (45, 9, 24, 0.05),
}  # fmt: skip
"""Method -> (gain of semseg, depth, normals in percent at the top, how fast it decays afterwards)."""


def pictures(rng, method, size=48, classes=5):
    """Examples that look like something: a floor, a wall and two boxes."""
    y, x = np.mgrid[0:size, 0:size] / size
    ids = np.where(y > 0.6, 0, 1)
    ids = np.where((abs(x - 0.3) < 0.15) & (abs(y - 0.6) < 0.2), 2, ids)
    ids = np.where((x - 0.7) ** 2 + (y - 0.65) ** 2 < 0.03, 3, ids)
    ids = np.where((y < 0.1) & (x > 0.8), 255, ids)
    depth = np.where(ids == 0, 1.2 / np.maximum(y, 0.3), 3.0 - 0.4 * (ids % 4))
    normal = np.stack([0.3 * (ids == 2), (ids == 0) * 1.0, np.where(ids == 0, 0.1, 1.0)])
    normal = normal / np.linalg.norm(normal, axis=0)
    edge = ((np.diff(ids, axis=0, prepend=ids[:1]) != 0) | (np.diff(ids, axis=1, prepend=ids[:, :1]) != 0)) * 1.0
    noise = {"base": 2.5}.get(method, 1.2)
    logits = np.stack([(ids == c) * 3.0 for c in range(classes)]) + rng.normal(0, noise, (classes, size, size))
    image = np.clip(np.stack([60 + 40 * (ids % 5), 200 - 60 * depth / 2, 120 + 60 * y], -1), 0, 255)
    two = lambda a, dtype: np.stack([a, a[..., ::-1]]).astype(dtype)  # noqa: E731
    return {
        "image": np.stack([image, image[:, ::-1]]).astype(np.uint8),
        "truth/semseg": two(ids, np.uint8),
        "truth/depth": two(depth[None], np.float32),
        "truth/normal": two(normal, np.float32),
        "truth/edge": two(edge[None], np.float32),
        "prediction/semseg": two(logits, np.float16),
        "prediction/depth": two(depth[None] + rng.normal(0, noise / 8, (1, size, size)), np.float16),
        "prediction/normal": two(normal + rng.normal(0, noise / 6, (3, size, size)), np.float16),
        "prediction/edge": two(edge[None] * 5 - 2.5 + rng.normal(0, noise / 2, (1, size, size)), np.float16),
    }


def plausible(method, seed, pair, steps=41, batches=12, tasks=("semseg", "depth", "normal", "edge"), **keywords):
    """A run as it might come out of the real thing, for looking at."""
    rng = np.random.default_rng([seed, sum(map(ord, method + pair))])
    *tops, decay = METHODS.get(method, (10, 2, 5, 0.2))
    axis = np.arange(steps)
    start = 0.0 if method == "base" else 0.3
    values, base = {}, {"semseg": 0.30 + 0.002 * seed, "depth": 1.18, "normal": 61.0, "edge": 0.144}
    speed = {"semseg": 6, "depth": 3, "normal": 9, "edge": 4}
    for task in tasks:
        top = dict(zip(("semseg", "depth", "normal"), tops, strict=True)).get(task, 0.15 if method != "base" else 0.0)
        gain = top * (start + (1 - start) * (1 - np.exp(-axis / speed[task]))) * (1 - decay * (axis / 60) ** 2)
        if method != "base":
            gain = gain * (1 + 0.05 * rng.normal()) + 0.004 * max(abs(top), 1) * rng.normal(size=steps).cumsum() / 2
        sign = 1 if task == "semseg" else -1
        values[task] = np.clip(base[task] * (1 + sign * gain / 100), 1e-3, None if task != "semseg" else 0.99)
    made = trajectory(method, values, pair=pair, seed=seed, batches=batches, **keywords)
    for name in ("semseg/confusion", "depth/moments", "normal/angles", "edge/moments"):
        if name in made.statistics and method != "base":
            # Later batches of the stream see a better network.
            old, drift = made.statistics[name], np.linspace(0.0, 1.0, batches)
            first = old[:, :1]
            shape = (batches,) + (1,) * (old.ndim - 1)
            made.statistics[name] = first + (old - first) * (0.4 + 0.6 * drift).reshape(shape)
    return made


def over_kinds(kinds=("fog", "snow", "contrast", "brightness", "jpeg_compression"), seeds=2, severities=(5,)):
    """Cells of image classification over kinds of corruption: ``tent`` gains, ``odd`` loses; the mild are easier."""
    cells = []
    for (place, kind), severity in product(enumerate(kinds), severities):
        for method, gain in (("base", 0.0), ("bn", 0.02), ("tent", 0.05), ("odd", -0.03)):
            for seed in range(seeds):
                level = 0.7 - 0.03 * place + 0.05 * (5 - severity)
                share = level + gain * np.array([0.0, 0.5, 1.0 + 0.1 * seed * place])
                counts = np.zeros((2, 3, CLASSES, 3))
                counts[..., 0] = counts[..., 2] = PIXELS
                counts[..., 1] = np.rint(PIXELS * share)[None, :, None]
                pair = f"cifar10->cifar10+{kind}:{severity}"
                made = trajectory(
                    method, {"semseg": share}, pair=pair, seed=seed, statistics={"class/counts": counts},
                    extra={"tasks": ["class"], "target_fingerprint": pair},
                )  # fmt: skip
                del made.statistics["semseg/confusion"]
                cells.append(made)
    return cells


def drifting(second="rooms/dusk"):
    """Cells of a stream of two segments, scored on the source after it too; ``tent`` forgets half."""
    cells = []
    segments = [{"name": "rooms/fog", "batches": 2}, {"name": second, "batches": 4}]
    for method, end, left in (("base", 1.0, 0.5), ("bn", 0.9, 0.5), ("tent", 0.8, 0.75)):
        made = trajectory(
            method, {"depth": [1.0, end]}, pair="rooms/studio->rooms/fog>rooms/dusk", batches=6,
            extra={"stream": "continual", "segments": segments},
        )  # fmt: skip
        made.summary["source_scores_after"] = {"depth/rmse": left}
        cells.append(made)
    return cells
