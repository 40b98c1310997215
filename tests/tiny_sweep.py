"""A sweep of seconds, and where the repository and the shared references lie."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

TINY = [
    "--pairs", "rooms/studio->rooms/fog", "--methods", "tent", "--size", "32x32", "--steps", "2", "--batches", "2",
    "--batch-size", "4", "--train-iterations", "12", "--train-samples", "16", "--fit-iterations", "4", "--seeds", "1",
]  # fmt: skip
"""Options of a sweep that takes seconds."""
