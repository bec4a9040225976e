"""A cluster on one machine: nodes and Envoy as processes, and the records of them between commands."""
