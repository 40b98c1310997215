"""Surface normals: unit vectors in the camera frame, x right, y up, z towards the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ttt_bench.tasks.contract import IGNORE, Array, Key, Label, Metric, Picture, Task
from ttt_bench.tasks.statistics import divide, over_batches

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ANGLES = "normal/angles"
"""(5,): number of pixels, sum of angles in degrees, and how many are within 11.25, 22.5 and 30 degrees."""


def mean_angle(angles: Array) -> Array:
    """Mean angle in degrees between predicted and true normals."""
    total = over_batches(angles)
    return divide(total[:, 1], total[:, 0])


def within_30(angles: Array) -> Array:
    """Share of valid pixels whose normal is within 30 degrees."""
    total = over_batches(angles)
    return divide(total[:, 4], total[:, 0])


class Normal(Task):
    """Vectors of any length (B, 3, H, W) against unit vectors; a pixel has no label when an entry is 255."""

    name = "normal"
    title = "Normals"
    rank = 3
    weight = 10.0
    channels = 3
    output = "direction"
    # Half precision errs by at most 0.03 degrees; 255 is exact.
    label = Label("<f2", 3)
    metrics = (
        Metric("normal/mean_angle", "mean angle", "°", False, ANGLES, mean_angle, 1.0, 2),
        Metric("normal/within_30", "within 30°", "%", True, ANGLES, within_30, 100.0, 2),
    )

    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """L1 between the normalised prediction and the label, summed over the 3 channels."""
        from ttt_bench.tasks.tensors import masked_l1, unit

        return masked_l1(unit(prediction), label)

    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """Valid places (B, H, W), and unit vectors."""
        from ttt_bench.tasks.measure import vector_truth

        return vector_truth(label)

    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """``normal/angles``."""
        from ttt_bench.tasks.measure import angles_of

        return {ANGLES: angles_of(prediction, *ready)}

    def mirrored(self, label: Tensor) -> Tensor:
        """What faces right faces left."""
        import torch

        flipped = label.flip(-1)
        x = flipped[:, :1]
        return torch.cat((torch.where(x != IGNORE, -x, x), flipped[:, 1:]), 1)

    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """Any direction; a tenth is unknown."""
        import torch

        from ttt_bench.tasks.tensors import unit

        vectors = unit(torch.randn(count, 3, *size, generator=rng))
        return vectors.masked_fill(torch.rand((count, 1, *size), generator=rng) < 0.1, float(IGNORE))

    def picture(self, values: Array, scale: tuple[float, float]) -> Picture:
        """-1..1 of x, y, z as red, green, blue."""
        return np.moveaxis(np.rint(np.clip((values + 1.0) / 2.0, 0.0, 1.0) * 255.0), 0, -1).astype(np.uint8)

    def key(self, scale: tuple[float, float]) -> Key:
        """What the three colours mean."""
        return Key("red: to the right\ngreen: up\nblue: to the viewer")
