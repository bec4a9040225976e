"""Leases, and the keys that are attached to them."""
