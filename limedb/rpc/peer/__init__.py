"""The calling side of the traffic between nodes, over persistent channels."""
