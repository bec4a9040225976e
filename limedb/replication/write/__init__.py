"""Writes: batches, quorums, and outcomes."""
