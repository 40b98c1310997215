"""Masked autoencoders over feature maps: positions, masks, patches, blocks (He et al. 2022; S4T's TBS)."""
