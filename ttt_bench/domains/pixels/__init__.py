"""Pixels of files on disk: opening, framing, normals from depth, edges, axes. Numpy and Pillow only."""
