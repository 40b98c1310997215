"""ImageNet-C's fifteen kinds of corruption and their published parameters at severities 1 to 5.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", ICLR 2019. Lengths in pixels are meant for 224-pixel images; ``corruptions`` scales them.
"""

from __future__ import annotations

from typing import Any

from ttt_bench.errors import UserError, did_you_mean

REFERENCE_SIDE = 224
SEVERITIES = (1, 2, 3, 4, 5)

PARAMETERS: dict[str, tuple[Any, ...]] = {
    # standard deviation
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    # photons at full brightness
    "shot_noise": (60, 25, 12, 5, 3),
    # share of replaced values
    "impulse_noise": (0.03, 0.06, 0.09, 0.17, 0.27),
    # disc radius (px), softening of its rim (px)
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    # blur (px), largest displacement (px), rounds
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    # kernel radius (px), sigma (px)
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    # largest zoom, step
    "zoom_blur": ((1.10, 0.01), (1.15, 0.01), (1.20, 0.02), (1.25, 0.02), (1.30, 0.03)),
    # mean, deviation, flake size (px), threshold, streak radius (px), streak sigma (px), share of the image
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    # share of the image, share of the ice
    "frost": ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    # amount, decay of the plasma's roughness
    "fog": ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    # added to the value channel
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    # factor around the channel means
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    # strength (px), smoothness (px); 3 to 5 are published, see ``corruptions`` for 1 and 2
    "elastic_transform": ((4.9, 2.44), (8.5, 2.44), (12.2, 2.44), (17.1, 2.44), (29.3, 2.44)),
    # remaining resolution
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    # JPEG quality
    "jpeg_compression": (25, 18, 15, 10, 7),
}  # fmt: skip
"""Parameters by kind, one entry per severity."""

KINDS = tuple(PARAMETERS)


def check_corruption(kind: str, severity: int) -> None:
    """Refuse what does not exist.

    Raises:
        UserError: the kind is unknown or the severity is not 1 to 5.
    """
    if kind not in PARAMETERS:
        raise UserError(f"Unknown corruption {kind!r}.", did_you_mean(kind, PARAMETERS))
    if severity not in SEVERITIES:
        raise UserError(
            f"Corruption {kind!r} has no severity {severity}.", "Severities go from 1 (mild) to 5 (severe)."
        )
