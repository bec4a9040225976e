"""Gossip: which nodes exist, which of them answer, and how far apart their clocks are."""
