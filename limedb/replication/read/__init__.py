"""Reads: which replicas are asked, which version wins, and what is repaired on the way."""
