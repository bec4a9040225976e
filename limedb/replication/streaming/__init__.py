"""The streaming of ranges to a new owner, before reads ask it."""
