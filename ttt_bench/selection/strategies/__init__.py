"""Who chooses: one class per strategy, each with the evidence that it may look at."""
