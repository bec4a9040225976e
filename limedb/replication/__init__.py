"""How a request reaches the replicas of a key, and how a replica handles it."""
