"""Gaussian noise on the target images (S4T appendix C, Table 5)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ttt_bench.identity import identity
from ttt_bench.samples.joined import Samples


@dataclass(frozen=True)
class InputNoise:
    """x' = x + scale * sigma * n with n ~ N(0, 1) per element.

    n is drawn on the CPU from ``seed`` and the image's place in its set, so neither order, batching nor scale changes
    it, and every method, option and run seed meets the same noise on the same image.
    """

    scale: float
    sigma: float
    """Standard deviation of all elements of all images of the set, which are normalised."""
    seed: int
    """Below 2^64."""

    def added(self, images: Tensor, places: Sequence[int]) -> Tensor:
        """A noisy copy of ``images`` (B, 3, H, W) on the CPU, which lie at ``places`` in their set."""
        noise = [
            torch.randn(image.shape, generator=torch.Generator().manual_seed((self.seed + place) % 2**63))
            for image, place in zip(images, places, strict=True)
        ]
        return images + self.scale * torch.tensor(self.sigma) * torch.stack(noise)


def input_noise(samples: Samples, scale: float) -> InputNoise:
    """The noise of ``scale`` for the set ``samples``: one seed for each set of images."""
    content = {"kind": "input noise", "images": samples.domain.fingerprint(), "split": samples.split}
    images = (samples.batch([place]).images for place in range(len(samples)))
    return InputNoise(scale, deviation(images), int(identity(content), 16))


def deviation(images: Iterable[Tensor]) -> float:
    """Population standard deviation over all elements of all ``images``, summed in float64 in their order."""
    total = squares = 0.0
    count = 0
    for image in images:
        total += float(image.double().sum())
        squares += float(image.double().square().sum())
        count += image.numel()
    return math.sqrt(max(squares / count - (total / count) ** 2, 0.0))
