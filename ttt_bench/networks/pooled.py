"""The head of a task with one answer per image: the last map's average, and one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class PooledHead(nn.Module):
    """Global average pooling and a linear layer, as every network for image classification ends."""

    def __init__(self, channels: int, outputs: int) -> None:
        """``channels`` of the last map -> ``outputs`` numbers per image."""
        super().__init__()
        self.linear = nn.Linear(channels, outputs)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The encoder's maps -> (B, outputs)."""
        answer: Tensor = self.linear(features[-1].mean((2, 3)))
        return answer
