"""The one input normalisation of every domain, and the S4T release's other one. No torch."""

MEAN = (0.485, 0.456, 0.406)
"""Channel means (RGB, images in [0, 1]) that are subtracted: ImageNet's, as every torchvision weight expects."""
STD = (0.229, 0.224, 0.225)
"""Channel standard deviations that are divided by."""

SCALINGS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "imagenet": (MEAN, STD),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "ets": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
}
"""Mean and deviation by name. ``imagenet`` is everyone's; ``symmetric``, pixels in [-1, 1], is what the S4T release
feeds on Taskonomy alone, so that a change of contrast is part of its domain shift. ``cifar10`` and ``cifar100`` are
the constants of all training pixels; ``ets`` has the mean of the single images' deviations instead, as the code of
ClusT3, NC-TTT and TTTFlow has on every small data set."""
