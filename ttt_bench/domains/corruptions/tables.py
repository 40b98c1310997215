"""The nineteen kinds of corruption and their published parameters: made for 32, for 64 and for 224 pixels.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019, with the tables of CIFAR-10-C, Tiny-ImageNet-C and ImageNet-C. A table of 224 pixels on images of 32 is
another, much harder benchmark (Gaussian noise of 0.38 where CIFAR-10-C has 0.10), so an image takes the table whose
side is nearest to its own by ratio: the changes lie at about 45 and 120 pixels. Lengths in pixels of the table of 224
then follow the image. Those of the two small tables stay: they are about a pixel, and a disc on whole pixels of 0.9 of
its radius may be none at all.
"""

from __future__ import annotations

import re
from typing import Any

from ttt_bench.errors import UserError, did_you_mean

SEVERITIES = (1, 2, 3, 4, 5)
Rows = dict[str, tuple[Any, ...]]

# What the numbers of each kind are; those that are lengths in pixels are listed in LENGTHS:
#   gaussian_noise, speckle_noise   standard deviation      shot_noise      photons at full brightness
#   impulse_noise                   share of values         brightness      added to the value channel
#   defocus_blur    disc radius, softening of its rim       contrast        factor around the channel means
#   glass_blur      sigma, largest displacement, rounds     fog             amount, decay of the plasma's roughness
#   motion_blur     kernel radius, sigma                    frost           share of the image, share of the ice
#   zoom_blur       end and step of the factors from 1      pixelate        remaining resolution
#   snow            mean, deviation, flake size, threshold, streak radius, streak sigma, share of the image
#   elastic_transform   strength, smoothness, largest move of the corners of the affine map
#   spatter         mean, deviation, drop size, threshold, strength (mud: softness), 0 = water or 1 = mud
#   saturate        factor and shift of the saturation      jpeg_compression    quality
CIFAR: Rows = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "elastic_transform": (
        (0, 0, 32 * 0.08), (32 * 0.05, 32 * 0.2, 32 * 0.07), (32 * 0.08, 32 * 0.06, 32 * 0.06),
        (32 * 0.1, 32 * 0.04, 32 * 0.05), (32 * 0.1, 32 * 0.03, 32 * 0.03),
    ),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
    "speckle_noise": (0.06, 0.1, 0.12, 0.16, 0.2),
    "gaussian_blur": (0.4, 0.6, 0.7, 0.8, 1),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
}  # fmt: skip

TINY: Rows = {
    "gaussian_noise": (0.04, 0.08, 0.12, 0.15, 0.18),
    "shot_noise": (250, 100, 50, 30, 15),
    "impulse_noise": (0.01, 0.02, 0.05, 0.08, 0.14),
    "defocus_blur": ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    "glass_blur": ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    "motion_blur": ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    "zoom_blur": CIFAR["zoom_blur"],
    "snow": tuple((*row[:-1], share) for row, share in zip(CIFAR["snow"], (0.8, 0.8, 0.7, 0.65, 0.6), strict=True)),
    "frost": ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
    "fog": ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "elastic_transform": (
        (0, 0, 64 * 0.08), (64 * 0.05, 64 * 0.3, 64 * 0.06), (64 * 0.1, 64 * 0.08, 64 * 0.06),
        (64 * 0.1, 64 * 0.03, 64 * 0.03), (64 * 0.16, 64 * 0.03, 64 * 0.02),
    ),
    "pixelate": (0.9, 0.8, 0.7, 0.6, 0.5),
    "jpeg_compression": (65, 58, 50, 40, 25),
    "speckle_noise": (0.15, 0.2, 0.25, 0.3, 0.35),
    "gaussian_blur": (0.5, 0.75, 1, 1.25, 1.5),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.6, 0), (0.65, 0.1, 0.8, 0.7, 0.6, 0), (0.65, 0.3, 1, 0.69, 0.6, 0),
        (0.65, 0.1, 0.7, 0.68, 0.6, 1), (0.65, 0.1, 0.5, 0.67, 0.6, 1),
    ),
    "saturate": CIFAR["saturate"],
}  # fmt: skip

IMAGENET: Rows = {
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "shot_noise": (60, 25, 12, 5, 3),
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    "fog": ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    # Multiples of 244 (not 224): so the published code has it.
    "elastic_transform": (
        (488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88),
    ),
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg_compression": (25, 18, 15, 10, 7),
    "speckle_noise": (0.15, 0.2, 0.35, 0.45, 0.6),
    "gaussian_blur": (1, 2, 3, 4, 6),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
}  # fmt: skip

TABLES: dict[int, Rows] = {32: CIFAR, 64: TINY, 224: IMAGENET}
"""Parameters by kind, one entry per severity, by the side of the images that they were made for."""

RIPPLE: tuple[tuple[float, float, float], ...] = (
    (4.9, 2.44, 0), (8.5, 2.44, 0), (12.2, 2.44, 0), (17.08, 2.44, 0), (29.28, 2.44, 0)
)  # fmt: skip
"""elastic_transform where labels are maps, at 224 pixels: the local ripple of ImageNet-C's severities 3 to 5, weaker
for 1 and 2, and no affine map. The published warps move objects by up to 10 % of the side, off their labels."""
LARGEST = max(TABLES)

VALIDATION = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The four extra kinds, meant for choosing settings: no result is reported on them."""
KINDS = tuple(CIFAR)
TEST_KINDS = tuple(kind for kind in KINDS if kind not in VALIDATION)
"""The fifteen kinds that results are reported on."""

LENGTHS: dict[str, tuple[int, ...]] = {
    "defocus_blur": (0,), "glass_blur": (0, 1), "motion_blur": (0, 1), "snow": (2, 4, 5),
    "elastic_transform": (0, 1, 2), "gaussian_blur": (0,), "spatter": (2,),
}  # fmt: skip
"""Positions of lengths in pixels among the parameters."""


def table_side(size: tuple[int, int]) -> int:
    """Side of the table for images of ``size`` (H, W): the nearest by ratio to sqrt(H W)."""
    area = size[0] * size[1]
    return min(TABLES, key=lambda side: max(area / side**2, side**2 / area))


def parameters_for(kind: str, severity: int, size: tuple[int, int], moves: bool = True) -> Any:
    """Parameters of a kind for images of ``size`` (H, W): a number, or a tuple as the tables have it.

    Args:
        kind: one of ``KINDS``.
        severity: 1 to 5.
        size: (H, W) in pixels.
        moves: whether objects may move off their places: not where labels are maps (``RIPPLE``).
    """
    side = table_side(size)
    row = TABLES[side][kind][severity - 1]
    if kind == "elastic_transform" and not moves:
        side, row = LARGEST, RIPPLE[severity - 1]
    ratio = (size[0] * size[1]) ** 0.5 / side if side == LARGEST else 1.0
    places = LENGTHS.get(kind, ())
    if ratio == 1 or not places:
        return row
    if not isinstance(row, tuple):
        return row * ratio
    scaled = [value * ratio if place in places else value for place, value in enumerate(row)]
    if kind == "glass_blur":  # displacements are whole pixels, and without any there is no glass
        scaled[1] = max(1, round(scaled[1]))
    return tuple(scaled)


def kinds_in(domain: str) -> frozenset[str]:
    """Kinds that a domain's written name is made of: ``fog`` of ``rooms/studio+fog:3`` and of ``cifar10c/fog-5``."""
    written = re.findall(r"\+([a-z_]+)\b|/([a-z_]+)-[1-5]\b", domain)
    return frozenset(kind for pair in written for kind in pair if kind in KINDS)


def check_corruption(kind: str, severity: int) -> None:
    """Refuse what does not exist.

    Raises:
        UserError: the kind is unknown or the severity is not 1 to 5.
    """
    if kind not in KINDS:
        raise UserError(f"Unknown corruption {kind!r}.", did_you_mean(kind, KINDS))
    if severity not in SEVERITIES:
        raise UserError(
            f"Corruption {kind!r} has no severity {severity}.", "Severities go from 1 (mild) to 5 (severe)."
        )
