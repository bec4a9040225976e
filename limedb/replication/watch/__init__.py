"""Watches: the changes of keys, each version once and in order."""
