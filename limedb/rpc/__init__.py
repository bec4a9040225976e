"""The wire: the only importer of grpc and of the stubs. Thin servicers, links to peers, conversion."""
