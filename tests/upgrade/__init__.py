"""A cluster of an earlier commit that is restarted on this one, node by node, under load."""
