"""Benchmarks. Each file says how it is run."""
