"""Gossip set in motion, and the cluster as this node sees it."""
