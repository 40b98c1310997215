"""The networks every method shares: an encoder, one head per task, and what methods may rely on."""
