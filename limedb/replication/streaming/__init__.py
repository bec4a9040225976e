"""What a new owner fetches before it is read."""
