"""What is said about a trajectory: gains, Delta, how well the tasks move together. Numpy only at import."""

from ttt_bench.metrics.delta import delta, gains
from ttt_bench.metrics.sync import (
    cosine_similarity,
    cosine_similarity_many,
    dtw,
    dtw_many,
    peak_steps,
    plateau_step_variance,
    step_variance,
    step_variance_many,
)

__all__ = [
    "cosine_similarity",
    "cosine_similarity_many",
    "delta",
    "dtw",
    "dtw_many",
    "gains",
    "peak_steps",
    "plateau_step_variance",
    "step_variance",
    "step_variance_many",
]
