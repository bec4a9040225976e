"""The store that keeps all keys of a node in one JSON file."""
