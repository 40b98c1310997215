"""The loss of a masked autoencoder that rebuilds pixels, and pixels hidden from a network that reads whole images."""

from __future__ import annotations

from torch import Tensor

PATCH_EPS = 1e-6
"""Added to a patch's variance before its root."""


def standardised(patches: Tensor) -> Tensor:
    """Each patch (..., P) less its mean, over its deviation (unbiased, as in MAE)."""
    mean, variance = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
    return (patches - mean) / (variance + PATCH_EPS).sqrt()


def removed_error(predicted: Tensor, patches: Tensor, removed: Tensor) -> Tensor:
    """Mean squared error of the removed patches, over all of them in the batch alike, a scalar.

    Args:
        predicted: (B, N, P).
        patches: likewise.
        removed: (B, N), 1 where a patch was hidden.
    """
    error = (predicted - patches).square().mean(-1)
    return (error * removed).sum() / removed.sum()


def hide(images: Tensor, removed: Tensor, patch: int) -> Tensor:
    """Images (B, C, H, W) with their removed patches set to 0; what is left of H and W beside whole patches stays."""
    rows, columns = images.shape[-2] // patch, images.shape[-1] // patch
    flags = removed.view(-1, 1, rows, columns).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    hidden = images.clone()
    hidden[..., : rows * patch, : columns * patch] *= 1 - flags
    return hidden
