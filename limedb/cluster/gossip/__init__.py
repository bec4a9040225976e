"""Gossip: who is there, who answers, and how far the nodes' clocks lie apart."""
