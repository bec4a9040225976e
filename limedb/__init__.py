"""LimeDB: a distributed key-value store.

The layers, from the outside in, are told in docs/architecture.md and held by import-linter.
"""

__version__ = "0.1.0"
