"""A cluster on one machine: nodes and Envoy as processes, and what is kept about them between commands."""
