"""The one input normalisation of every domain, and the S4T release's other one. No torch."""

MEAN = (0.485, 0.456, 0.406)
"""Channel means (RGB, images in [0, 1]) that are subtracted: ImageNet's, as every torchvision weight expects."""
STD = (0.229, 0.224, 0.225)
"""Channel standard deviations that are divided by."""

SCALINGS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": (MEAN, STD),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
"""Mean and deviation by name. ``imagenet`` is everyone's; ``symmetric``, pixels in [-1, 1], is what the S4T release
feeds on Taskonomy alone, so that a change of contrast is part of its domain shift."""
