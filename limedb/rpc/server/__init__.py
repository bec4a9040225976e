"""The server's side: one servicer for each service."""
