"""The store of LMDB tables behind a write-ahead log."""
