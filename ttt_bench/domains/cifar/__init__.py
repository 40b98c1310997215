"""CIFAR-10 and CIFAR-100, their published corruptions, and CIFAR-10.1."""
