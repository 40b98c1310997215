"""Between maps and tokens: patch embedding with a built-in resize, and its opposite.

S4T resizes a map bilinearly to a fixed square and cuts it into patches by a convolution. Both are linear, and
when every patch covers a whole number s of source pixels per axis, the interpolation weights are the same for
each patch. The two steps are then one convolution of stride s on the replicate-padded source map, whose kernel,
s + 2 wide, is the patch kernel folded with those weights: the resized map never exists. For 256x256 images that
is a stride-4 6x6 convolution on a 64x64 map instead of an upsampling x4 and a stride-16 16x16 convolution.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ttt_bench.networks.fused import resize


class PatchEmbedding(nn.Module):
    """Resize to a square, then a convolution with kernel = stride = patch: one token per patch."""

    def __init__(self, in_channels: int, width: int, patch: int = 16) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(in_channels, width, patch, patch)

    @property
    def bias(self) -> Tensor:
        """(D,)."""
        assert self.proj.bias is not None
        return self.proj.bias

    def forward(self, maps: Tensor, size: int) -> Tensor:
        """(B, C, h, w), read as if resized to (size, size) -> (B, N, D), N = (size / patch)^2, row-major."""
        tokens = resized_patch_conv(maps, self.proj.weight, size)
        return tokens.flatten(2).transpose(1, 2) + self.bias

    def partial(self, maps: Tensor, size: int, parts: Tensor) -> Tensor:
        """Tokens with only some of the T channel groups in them.

        Args:
            maps: (B, C, h, w) with the groups' channels one after the other.
            size: as in ``forward``.
            parts: (B, N, T) bool, which groups' summands are in which token.

        Returns:
            (B, N, D): bias + sum over t of parts_nt x the patch convolution of group t.
        """
        groups = parts.shape[2]
        width, channels = self.proj.weight.shape[:2]
        # (D, T x c, k, k) -> (T x D, c, k, k): one output block per group, for a grouped convolution.
        grouped = self.proj.weight.view(width, groups, channels // groups, self.patch, self.patch)
        maps = resized_patch_conv(maps, grouped.transpose(0, 1).flatten(0, 1), size, groups)
        summands = maps.view(len(maps), groups, width, -1)
        tokens = torch.einsum("btdn,bnt->bnd", summands, parts.to(summands.dtype))
        return tokens + self.bias


def resized_patch_conv(maps: Tensor, weight: Tensor, size: int, groups: int = 1) -> Tensor:
    """``conv2d(resize(maps, (size, size)), weight, stride=patch, groups=groups)``, folded where exact.

    Args:
        maps: (B, C, h, w).
        weight: (D, C / groups, patch, patch).
        size: side of the square, divisible by the patch.
        groups: of the convolution.

    Returns:
        (B, D, size / patch, size / patch).
    """
    patch = weight.shape[-1]
    h, w = maps.shape[-2:]
    if (h, w) == (size, size) or not foldable((h, w), size, patch):
        return F.conv2d(resize(maps, (size, size)), weight, stride=patch, groups=groups)
    stride = (h * patch // size, w * patch // size)
    folded = fold_kernel(weight, stride)
    padded = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, folded, stride=stride, groups=groups)


def foldable(source: tuple[int, int], size: int, patch: int) -> bool:
    """Whether folding is exact (whole source pixels per patch) and pays (the square exceeds the map)."""
    return all(length * patch % size == 0 and length < size for length in source)


def fold_kernel(weight: Tensor, stride: tuple[int, int]) -> Tensor:
    """Fold bilinear upsampling into a patch kernel; differentiable.

    Args:
        weight: (D, c, patch, patch).
        stride: (s_y, s_x), source pixels per patch.

    Returns:
        (D, c, s_y + 2, s_x + 2), to be used with stride s on a map padded by one replicated pixel.
    """
    patch = weight.shape[-1]
    rows = _interpolation(patch, stride[0], weight.device).to(weight.dtype)
    columns = _interpolation(patch, stride[1], weight.device).to(weight.dtype)
    return rows.T @ (weight @ columns)


@lru_cache(maxsize=64)
def _interpolation(patch: int, stride: int, device: torch.device) -> Tensor:
    """(patch, stride + 2) float64: what each resized pixel of a patch takes from the padded source pixels.

    Bilinear with align_corners off: resized pixel i lies at (i + 1/2) stride / patch - 1/2 in source pixels.
    """
    with torch.inference_mode(False):
        position = (torch.arange(patch, dtype=torch.float64) + 0.5) * stride / patch - 0.5
        low = position.floor()
        share = position - low
        matrix = torch.zeros(patch, stride + 2, dtype=torch.float64)
        index = torch.arange(patch)
        matrix[index, low.long() + 1] = 1 - share  # + 1: the padding
        matrix[index, low.long() + 2] += share
        return matrix.to(device)


def unpatchify(tokens: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """Tokens back to a map; within a token: (row in patch, column in patch, channel), channel fastest.

    Args:
        tokens: (B, N, patch * patch * C), row-major over ``grid``.
        patch: side of a patch in pixels.
        grid: (rows, columns) of tokens.

    Returns:
        (B, C, rows * patch, columns * patch).
    """
    batch, (rows, columns) = tokens.shape[0], grid
    x = tokens.view(batch, rows, columns, patch, patch, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, -1, rows * patch, columns * patch)


def patchify(images: Tensor, patch: int) -> Tensor:
    """The opposite of ``unpatchify``: (B, C, rows x patch, columns x patch) -> (B, N, patch * patch * C)."""
    batch, channels, height, width = images.shape
    x = images.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, patch * patch * channels)
