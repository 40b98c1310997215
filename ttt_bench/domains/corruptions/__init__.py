"""ImageNet-C's corruptions over any domain, seeded per image, labels unchanged."""
