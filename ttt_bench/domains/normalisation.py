"""The one input normalisation of every domain. No torch."""

MEAN = (0.485, 0.456, 0.406)
"""Channel means (RGB, images in [0, 1]) that are subtracted: ImageNet's, as every torchvision weight expects."""
STD = (0.229, 0.224, 0.225)
"""Channel standard deviations that are divided by."""
