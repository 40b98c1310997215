"""The shared multi-task network: one encoder, one head per task."""
