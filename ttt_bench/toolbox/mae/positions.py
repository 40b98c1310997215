"""Fixed sine-cosine position tables of a two-dimensional token grid."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def sincos_table(
    width: int, grid: tuple[int, int], device: torch.device | None = None, class_token: bool = False
) -> Tensor:
    """Position table of a grid of tokens, in row-major token order.

    Frequencies are 10000^(-k / (width / 4)) for k < width / 4. The first half of the channels encodes the
    column, the second half the row, each as a sine block followed by a cosine block.

    Args:
        width: channels, divisible by 4.
        grid: (rows, columns).
        device: where the table lives; None = CPU.
        class_token: put a row of zeros first, for a token that has no place.

    Returns:
        (rows * columns, width) float32, one row more with a class token. Shared between callers: never write to it.

    Raises:
        ValueError: ``width`` is not divisible by 4.
    """
    if width % 4:
        raise ValueError(f"a sine-cosine table needs a width divisible by 4, not {width}")
    with torch.inference_mode(False):
        rows, columns = (torch.arange(n, dtype=torch.float64) for n in grid)
        row, column = torch.meshgrid(rows, columns, indexing="ij")
        table = torch.cat([_encode(column.flatten(), width // 2), _encode(row.flatten(), width // 2)], dim=1)
        if class_token:
            table = torch.cat([table.new_zeros(1, width), table])
        return table.float().to(device)


def _encode(position: Tensor, width: int) -> Tensor:
    """(N,) coordinates -> (N, width): a sine block, then a cosine block."""
    half = width // 2
    frequency = 10000.0 ** (-torch.arange(half, dtype=position.dtype) / half)
    angle = position.unsqueeze(1) * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
