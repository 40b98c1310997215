"""ttt_bench: an honest, exact and resumable benchmark harness for test-time training."""

__version__ = "0.1.0"
