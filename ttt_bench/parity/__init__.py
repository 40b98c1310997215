"""Numerical parity: reference vectors of the published code, run through the code that the benchmark runs."""
