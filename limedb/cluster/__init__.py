"""Gossip at work, and the cluster as this node sees it."""
