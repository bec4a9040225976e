"""The gRPC side of a node: thin servicers, and links to peers."""
