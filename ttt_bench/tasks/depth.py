"""Depth along the optical axis, in metres."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ttt_bench.tasks.contract import IGNORE, Array, Key, Label, Metric, Picture, Task
from ttt_bench.tasks.paint import viridis
from ttt_bench.tasks.statistics import ALIGNED, rmse, rmse_aligned

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MOMENTS = "depth/moments"
"""(6,) ``statistics.MOMENTS`` of metres, the prediction clamped at 0."""


class Depth(Task):
    """Metres (B, 1, H, W) against metres; 255 = no label."""

    name = "depth"
    title = "Depth"
    rank = 2
    channels = 1
    output = "scalar"
    # Half precision errs by at most 2^-11 < 0.05 % of the depth; 255 is exact.
    label = Label("<f2", 1)
    metrics = (
        Metric("depth/rmse", "RMSE", "m", False, MOMENTS, rmse),
        Metric(
            "depth/rmse_aligned", "RMSE, aligned", "m", False, MOMENTS, rmse_aligned, additive=False, accident=ALIGNED
        ),
    )

    def loss(self, prediction: Tensor, label: Tensor) -> Tensor:
        """Mean absolute error over valid pixels."""
        from ttt_bench.tasks.tensors import masked_l1

        return masked_l1(prediction, label)

    def ready(self, label: Tensor, channels: int) -> tuple[Tensor, ...]:
        """Valid places, and the label in float64 with 0 elsewhere."""
        from ttt_bench.tasks.measure import scalar_truth

        return scalar_truth(label)

    def score(self, prediction: Tensor, *ready: Tensor) -> dict[str, Tensor]:
        """``depth/moments`` of metres clamped at 0."""
        from ttt_bench.tasks.measure import moments_of

        return {MOMENTS: moments_of(prediction.clamp(min=0), *ready)}

    def enlarged(self, label: Tensor, scale: Tensor) -> Tensor:
        """What looks larger by ``scale`` is nearer by it."""
        import torch

        return torch.where(label == IGNORE, label, label / scale.view(-1, 1, 1, 1))

    def made_up(self, count: int, size: tuple[int, int], classes: int, rng: torch.Generator) -> Tensor:
        """1 to 5 metres; a tenth is unknown."""
        import torch

        metres = 1 + 4 * torch.rand((count, 1, *size), generator=rng)
        return metres.masked_fill(torch.rand((count, 1, *size), generator=rng) < 0.1, float(IGNORE))

    def picture(self, values: Array, scale: tuple[float, float]) -> Picture:
        """Dark is near."""
        return viridis((values[0] - scale[0]) / (scale[1] - scale[0]))

    def key(self, scale: tuple[float, float]) -> Key:
        """The scale's ends in metres."""
        return Key(ends=(f"{scale[0]:.1f} m", f"{scale[1]:.1f} m"))
