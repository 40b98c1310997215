"""Where results live: append-safe, crash-safe, mergeable. Knows no statistics."""

from ttt_bench.store.trajectory import Trajectory

__all__ = ["Trajectory"]
