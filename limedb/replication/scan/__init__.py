"""Scans of a range of keys across the cluster."""
