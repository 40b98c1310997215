"""Taskonomy in its own folders."""
