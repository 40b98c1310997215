"""The tasks that show one and the same surface, so that their answers can be held against each other."""

from __future__ import annotations

DEPTH, NORMALS, EDGES = "depth", "normal", "edge"
"""Metres along the optical axis; unit normals of the same surface; where either of them jumps."""
