"""What the two assumption checks need of a method, and how they reach it: task slices and a TBS."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor

from ttt_bench.errors import UserError
from ttt_bench.method.contract import Method, Model
from ttt_bench.networks.contract import Predictions
from ttt_bench.toolbox.mae.masking import Mask


class SliceBranch(Protocol):
    """An auxiliary part with one latent slice per task and a synchroniser over them."""

    slice_width: int

    def slices(self, features: list[Tensor], size: tuple[int, int]) -> Tensor:
        """c2..c5 of images of ``size`` -> (B, T x slice_width, h, w)."""

    def reconstruct(self, slices: Tensor, mask: Mask, square: int, size: tuple[int, int]) -> Predictions:
        """The synchroniser's outputs by task, (B, C_t, *size)."""


class SliceMethod(Protocol):
    """A method whose auxiliary part is a ``SliceBranch``."""

    mask_ratio: float
    reconstruct_image: bool

    def square(self, size: tuple[int, int]) -> int:
        """Side of the synchroniser's input for images of ``size``."""

    def draw_mask(self, model: Model, images: Tensor, rng: torch.Generator) -> Mask:
        """A mask for ``images``."""


def slice_branch(model: Model, method: Method) -> SliceBranch:
    """``model.aux`` with its type.

    Raises:
        UserError: the method has no task slices.
    """
    if not all(hasattr(model.aux, name) for name in ("slices", "slice_width", "reconstruct")):
        raise UserError(
            f"{method.name} has no latent slice per task, which this study measures.",
            "Leave --methods out, or give s4t with options.",
        )
    return cast(SliceBranch, model.aux)


def slice_method(method: Method) -> SliceMethod:
    """``method`` with its type.

    Raises:
        UserError: the method has no synchroniser that predicts tasks.
    """
    if not all(hasattr(method, name) for name in ("mask_ratio", "square", "draw_mask")):
        raise UserError(
            f"{method.name} has no masked synchroniser, which this study measures.",
            "Leave --methods out, or give s4t with options.",
        )
    if getattr(method, "reconstruct_image", False):
        raise UserError(
            f"{method.name}(reconstruct_image=True) predicts the image, so it has no task loss to measure.",
            "Leave reconstruct_image out.",
        )
    return cast(SliceMethod, method)


def image_size(images: Tensor) -> tuple[int, int]:
    """(H, W) of (B, 3, H, W)."""
    return (images.shape[-2], images.shape[-1])
