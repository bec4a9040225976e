"""What is said between nodes and to clients: protobuf messages and what they stand for."""
