"""The store that keeps each key in a JSON file of its own."""
