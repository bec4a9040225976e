"""The messages between nodes and with clients: protobuf, and the values that they stand for."""
